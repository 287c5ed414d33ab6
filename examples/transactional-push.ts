// The order and its job commit together, or not at all.
// #region transaction
import { DatabaseSync } from "node:sqlite";
import { createJob } from "jobferry";
import { sqliteQueue } from "jobferry/sqlite";

const db = new DatabaseSync("shop.db");
db.exec("CREATE TABLE orders (id INTEGER PRIMARY KEY, item TEXT NOT NULL)");
const queue = sqliteQueue(db); // your database stays yours: close() leaves it open
await queue.open(); // before the first transaction: it makes its tables

async function order(item: string, fails = false): Promise<void> {
  db.exec("BEGIN IMMEDIATE");
  try {
    db.prepare("INSERT INTO orders (item) VALUES (?)").run(item);
    await queue.push(createJob({ item }, { queue: "shipping" }), { transaction: db });
    if (fails) throw new Error("no money");
    db.exec("COMMIT");
  } catch (error) {
    db.exec("ROLLBACK");
    throw error;
  }
}

await order("book");
await order("boat", true).catch((error: Error) => console.log(`rolled back: ${error.message}`));

const orders = db.prepare("SELECT count(*) AS n FROM orders").get();
console.log("orders:", orders?.["n"], "jobs:", await queue.size("shipping"));
// #endregion transaction
await queue.close();
db.close();

// The same on PostgreSQL, with a pool of your own.
// #region transaction
import pg from "pg";
import { createJob } from "jobferry";
import { postgresQueue } from "jobferry/postgres";

const pool = new pg.Pool({ connectionString: process.env["JOBFERRY_URL"] ?? "postgres://localhost/shop" });
await pool.query("CREATE TABLE orders (id serial PRIMARY KEY, item text NOT NULL)");
const queue = await postgresQueue({ client: pool }).open(); // your pool stays yours: close() leaves it open

async function order(item: string, fails = false): Promise<void> {
  const client = await pool.connect();
  try {
    await client.query("BEGIN");
    await client.query("INSERT INTO orders (item) VALUES ($1)", [item]);
    await queue.push(createJob({ item }, { queue: "shipping" }), { transaction: client });
    if (fails) throw new Error("no money");
    await client.query("COMMIT");
  } catch (error) {
    await client.query("ROLLBACK");
    throw error;
  } finally {
    client.release();
  }
}

await order("book");
await order("boat", true).catch((error: Error) => console.log(`rolled back: ${error.message}`));

const { rowCount } = await pool.query("SELECT FROM orders");
console.log("orders:", rowCount, "jobs:", await queue.size("shipping"));
// #endregion transaction
await queue.close();
await pool.end();

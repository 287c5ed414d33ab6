// One at a time among several processes, and what happens to one that wakes up too late.
import { DatabaseSync } from "node:sqlite";
// #region lock
import { isJobferryError } from "jobferry";
import { sqliteCluster } from "jobferry/sqlite";

const cluster = sqliteCluster("cluster.db", { nodeId: "node-1" });
await cluster.start();

{
  await using lock = await cluster.lock("nightly-report");
  await report(lock.lost); // stops when the lock is lost
} // released here; the next in the line has it at once

try {
  await using first = await cluster.lock("nightly-report");
  await using second = await cluster.lock("nightly-report", { wait: "50ms" });
  console.log(first.held, second.held);
} catch (error) {
  if (!isJobferryError(error, "LOCK_BUSY")) throw error;
  console.log("busy, later then");
}
// #endregion lock

async function report(lost: AbortSignal): Promise<void> {
  lost.throwIfAborted();
  console.log("one report");
}

// #region fence
const shop = new DatabaseSync("shop.db");
shop.exec(
  "CREATE TABLE IF NOT EXISTS prices (id INTEGER PRIMARY KEY, cents INTEGER, fence INTEGER NOT NULL DEFAULT 0)",
);
shop.exec("INSERT OR REPLACE INTO prices (id, cents, fence) VALUES (7, 100, 0)");
const update = shop.prepare("UPDATE prices SET cents = ?, fence = ?2 WHERE id = 7 AND fence <= ?2");

/** The database refuses a token that is lower than the highest it has seen. */
function setPrice(cents: number, token: bigint): string {
  return update.run(cents, token).changes === 1 ? "stored" : "refused";
}

const old = await cluster.lock("prices");
await old.release(); // as if this process had been stopped for too long, and its lock given away
const current = await cluster.lock("prices");
console.log("current holder:", setPrice(120, current.token));
console.log("old holder:", setPrice(90, old.token));
// #endregion fence
await current.release();
shop.close();
await cluster.stop();

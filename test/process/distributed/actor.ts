/** A node of the tests: runs the jobs of the SQLite file of the first argument together with others, and writes down each that it finished. */
import { DatabaseSync } from "node:sqlite";
import { DistributedQueue } from "../../../src/entry/index.ts";
import { sqliteCluster } from "../../../src/entry/sqlite.ts";

const [, , path = "", nodeId = ""] = process.argv;
const tell = (message: object): void => void process.send?.({ nodeId, ...message });

const ledger = new DatabaseSync(`${path}.ledger`, { timeout: 5_000 });
ledger.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF");
ledger.exec("CREATE TABLE IF NOT EXISTS ran (n INTEGER PRIMARY KEY, job INTEGER NOT NULL, node TEXT NOT NULL)");
const write = ledger.prepare("INSERT INTO ran (job, node) VALUES (?, ?)");

const cluster = sqliteCluster(path, { nodeId, electionTimeout: "3s" });
cluster.on("error", () => undefined);
const node = new DistributedQueue({
  cluster,
  queues: ["even", "odd"],
  workerCount: 2,
  maxConcurrency: 4,
  worker: { lease: "5s" },
  handler: async (job) => {
    await new Promise((resolve) => setTimeout(resolve, 5));
    write.run(Number(job.payload), nodeId);
  },
});
node.getWorkerPool().on("error", () => undefined);

process.on("message", (message) => {
  if (message === "stop") {
    void node.stop().then(() => {
      tell({ kind: "stopped" });
      process.exit(0);
    });
  }
  if (message === "stats") {
    void node.getDistributedStats().then(
      (stats) => tell({ kind: "stats", stats }),
      () => undefined,
    );
  }
});

await node.start();
tell({ kind: "started" });

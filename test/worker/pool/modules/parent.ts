// A program with a pool of processes, for tests that end it from outside: node parent.ts LOG JOB-NAME PAYLOAD
import { createJob, memoryQueue, WorkerPool } from "../../../../src/entry/index.ts";

const [log = "", name = "", ms = "0"] = process.argv.slice(2);
const queue = memoryQueue();
const pool = new WorkerPool(queue, "default", new URL("./handlers.ts", import.meta.url), {
  workers: 2,
  isolation: "processes",
  onCompleted: ({ job }) => console.log(`completed ${job.id}`),
});
pool.on("error", ({ error }) => console.log(`error ${error.message}`));
process.once("SIGINT", () => {
  console.log("stopping");
  void pool.stop().then(() => queue.close());
});
await pool.start();
for (const id of ["a", "b"]) await queue.push(createJob({ ms: Number(ms), log }, { name, id }));

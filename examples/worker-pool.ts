// Two processes share the jobs of a queue. A handler that blocks or crashes stops only the process it runs in.
// #region pool
import { createQueue, WorkerPool } from "jobferry";
import { digest } from "./pool/digest.ts";

const queue = await createQueue(process.env["JOBFERRY_URL"] ?? "memory:");
for (const text of ["a", "b", "c", "d"]) await queue.push(digest.create({ text, rounds: 20_000 }));

const handlers = new URL("./pool/handlers.ts", import.meta.url);
const pool = new WorkerPool(queue, "default", handlers, {
  workers: 2,
  isolation: "processes", // or "threads", or "inline" with the handlers themselves
  concurrency: 1,
  stopWhenEmpty: true,
});
pool.on("completed", ({ job, result }) => console.log(job.payload, "->", result));

await pool.run();
const { totalWorkers, totalProcessed, totalFailed } = pool.getStats();
console.log(`${totalWorkers} workers, ${totalProcessed} processed, ${totalFailed} failed`);
// #endregion pool
await queue.close();

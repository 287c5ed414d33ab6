// A time limit for each attempt. The handler's signal fires; a handler that passes it on ends at once.
// #region timeout
import { setTimeout as sleep } from "node:timers/promises";
import { createJob, createQueue, Worker } from "jobferry";

const queue = await createQueue(process.env["JOBFERRY_URL"] ?? "memory:");
await queue.push(createJob("slow", { timeout: 100, maxAttempts: 1 }));

const worker = new Worker(queue, "default", (_job, { signal }) => sleep(60_000, "done", { signal }));
const over = Promise.withResolvers<void>();
worker.on("dead", ({ job, error }) => {
  console.log(job.payload, "code" in error ? error.code : error.message);
  over.resolve();
});
await worker.start();
await over.promise;
await worker.stop();
// #endregion timeout
await queue.close();

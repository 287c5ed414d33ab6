// A worker takes jobs from a queue and runs a function on each, several at once.
// #region worker
import { createJob, memoryQueue, Worker } from "jobferry";

const queue = memoryQueue();
await queue.pushBatch([1, 2, 3, 4].map((number) => createJob({ number }, { queue: "numbers" })));

const worker = new Worker(
  queue,
  "numbers",
  (job) => {
    const { number } = job.payload as { number: number };
    return number * number;
  },
  { concurrency: 2, maxAttempts: 3, timeout: "30s" },
);
worker.on("completed", ({ job, result }) => console.log(job.payload, "squared is", result));
worker.on("failed", ({ job, error }) => console.error(job.id, error.message));

await worker.start();
while ((await queue.getStats("numbers")).completedJobs !== 4) await new Promise((done) => setTimeout(done, 20));
await worker.stop(); // waits for running jobs
// #endregion worker
await queue.close();

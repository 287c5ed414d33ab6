// A worker takes jobs from a queue and runs a function on each, several at once.
// #region worker
import { createJob, createQueue, Worker } from "jobferry";

const queue = await createQueue(process.env["JOBFERRY_URL"] ?? "memory:");
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
let left = 4;
worker.on("completed", ({ job, result }) => {
  console.log(job.payload, "squared is", result);
  left -= 1;
});
worker.on("failed", ({ job, error }) => console.error(job.id, error.message));

await worker.start();
while (left > 0) await new Promise((done) => setTimeout(done, 20));
await worker.stop(); // waits for running jobs
// #endregion worker
await queue.close();

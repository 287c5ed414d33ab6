// A line of numbers every so often, from a timer that stops with the worker.
// #region periodic
import { setTimeout as sleep } from "node:timers/promises";
import { createJob, memoryQueue, Worker } from "jobferry";

const queue = memoryQueue();
await queue.pushBatch(Array.from({ length: 40 }, (_, i) => createJob(i)));

const worker = new Worker(queue, "default", () => sleep(25), { concurrency: 2, stopWhenEmpty: true });

const report = async (): Promise<void> => {
  const { pendingJobs, reservedJobs, completedJobs, failedJobs } = await queue.getStats();
  console.log(`pending=${pendingJobs} reserved=${reservedJobs} completed=${completedJobs} failed=${failedJobs}`);
};
const timer = setInterval(() => void report().catch(console.error), 100); // every 30 s in real life

await worker.run();
clearInterval(timer);
await report();
// #endregion periodic
await queue.close();

// A signal from outside: take no more jobs, finish what runs, hand back the rest.
import { setTimeout as sleep } from "node:timers/promises";
import { createJob, createQueue, Worker } from "jobferry";

const queue = await createQueue(process.env["JOBFERRY_URL"] ?? "memory:");
await queue.pushBatch(Array.from({ length: 20 }, (_, i) => createJob(i)));

// #region shutdown
const shutdown = new AbortController();
process.once("SIGTERM", () => shutdown.abort());
process.once("SIGINT", () => shutdown.abort());

const worker = new Worker(queue, "default", () => sleep(100), { concurrency: 2, stopTimeout: "20s" });
worker.on("stopped", ({ reason }) => console.log(`stopped: ${reason}`));
// #endregion shutdown
setTimeout(() => process.kill(process.pid, "SIGTERM"), 150);
// #region run
await worker.run(shutdown.signal); // starts, waits for the signal, stops
const { reservedJobs, totalJobs } = await queue.getStats();
console.log(`reserved ${reservedJobs}, nothing lost: ${totalJobs === 20}`);
await queue.close(); // stop() leaves the queue open: who opened it closes it
// #endregion run

// Every failed attempt is an event; the last one raises an alert.
// #region alert
import { createJob, createQueue, PermanentError, Worker } from "jobferry";

const queue = await createQueue(process.env["JOBFERRY_URL"] ?? "memory:");
await queue.push(createJob({ card: "expired" }, { name: "charge", maxAttempts: 3, backoff: 20 }));
await queue.push(createJob({ card: "stolen" }, { name: "charge", maxAttempts: 3, delay: "1s" }));

const worker = new Worker(queue, "default", (job) => {
  const { card } = job.payload as { card: string };
  if (card === "stolen") throw new PermanentError("card was stolen"); // no further attempt
  throw new Error(`card is ${card}`);
});

let failed = 0;
worker.on("failed", ({ job, error, willRetry }) => {
  console.log(`attempt ${job.attempts}: ${error.message}${willRetry ? ", will retry" : ""}`);
  if (willRetry) return;
  failed += 1;
  alert(`${job.name} failed for good: ${error.message}`);
});
worker.on("error", ({ error }) => console.error("worker:", error.code, error.message)); // else it is logged

await worker.start();
while (failed < 2) await new Promise((done) => setTimeout(done, 20));
await worker.stop();
// #endregion alert
await queue.close();

function alert(text: string): void {
  console.log(`ALERT ${text}`);
}

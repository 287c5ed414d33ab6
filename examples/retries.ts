// Which delay stands before which attempt, and what a handler can do besides returning and throwing.
import { createJob, createQueue, Worker, type Job, type JobContext } from "jobferry";

const queue = await createQueue(process.env["JOBFERRY_URL"] ?? "memory:");

// #region backoff
createJob("fixed", { backoff: "5s" });
createJob("list", { backoff: ["1s", "5s", "30s"] }); // the last one repeats
createJob("exponential", { backoff: { base: "1s", max: "15m", jitter: 0.2 } }); // 1 s, 2 s, 4 s ...; this is the default
// #endregion backoff

// #region function
const worker = new Worker(queue, "web", handle, {
  maxAttempts: 5,
  maxExceptions: 2, // of the five, so many may throw
  backoff: (attempt, error) => (error.message === "busy" ? 50 : attempt * 10), // in milliseconds
  shouldRetry: (error) => !error.message.startsWith("404"),
});
// #endregion function
worker.on("failed", ({ job, error, willRetry, retryAt }) => {
  const wait = retryAt === undefined ? "" : ` in about ${Math.round((retryAt - Date.now()) / 10) * 10} ms`;
  console.log(`${job.name}, attempt ${job.attempts}: ${error.message}${willRetry ? `, again${wait}` : ", the end"}`);
});
worker.on("completed", ({ job, result }) => console.log(`${job.name}, attempt ${job.attempts}:`, result));

const names = ["flaky", "missing", "limited", "early", "withdrawn"];
const waiting = new Set(names);
worker.on("completed", ({ job }) => waiting.delete(job.name));
worker.on("dead", ({ job }) => waiting.delete(job.name));
for (const name of names) await queue.push(createJob({ asked: Date.now() }, { name, queue: "web" }));
await worker.start();
while (waiting.size > 0) await new Promise((done) => setTimeout(done, 20));
await worker.stop();
await queue.close();

// #region outcomes
function handle(job: Job, context: JobContext) {
  switch (job.name) {
    case "flaky":
      if (job.attempts < 2) throw new Error("busy"); // a failed attempt
      return "done";
    case "missing":
      throw new Error("404 not found"); // shouldRetry says no
    case "limited":
      if (job.attempts < 3) return context.retry({ in: 30 }); // an attempt, but no exception
      return "done";
    case "early":
      if (Date.now() < job.createdAt + 100) return context.snooze(120); // as if this attempt had not been
      return "done";
    default:
      return context.cancel("the customer withdrew"); // to failed, without retry
  }
}
// #endregion outcomes

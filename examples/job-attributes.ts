// What can be said about a job when it is made.
// #region attributes
import { createJob, createQueue } from "jobferry";

const queue = await createQueue(process.env["JOBFERRY_URL"] ?? "memory:");
const job = createJob(
  { report: 7 },
  {
    id: "report-7", // default: made by Jobferry; unique in the whole store
    name: "report", // what the routes of a worker go by
    queue: "reports",
    priority: 5, // higher first
    maxAttempts: 4,
    backoff: ["1s", "10s", "1m"],
    timeout: "30s", // of one attempt
    retryUntil: "1h", // no attempt after this
    tags: { customer: "acme" }, // to find jobs by
    headers: { traceparent: "00-..." }, // carried along
  },
);
job.addTag("format", "pdf"); // settable until the push
await queue.push(job);
await queue.push(createJob({ report: 7, again: true }, { id: "report-7", queue: "reports" })); // exists: changes nothing

const taken = await queue.pop({ queue: "reports" });
console.log(taken?.id, taken?.payload, taken?.tags);
console.log(`priority ${taken?.priority}, attempt ${taken?.attempts} of ${taken?.maxAttempts}`);
console.log(`reserved after it was made: ${(taken?.reservedAt ?? 0) >= (taken?.createdAt ?? 0)}`);
await taken?.complete();
console.log(`${await queue.size("reports")} left`);
// #endregion attributes
await queue.close();

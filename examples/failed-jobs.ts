// Failed jobs stay, with the reason, until somebody decides.
import { createJob, createQueue, PermanentError, Worker } from "jobferry";
import { sqliteQueue } from "jobferry/sqlite";

const queue = await createQueue(process.env["JOBFERRY_URL"] ?? "sqlite:jobs.db");
let broken = true;
for (const page of [1, 2, 3]) {
  await queue.push(createJob({ page }, { id: `page-${page}`, name: "print", tags: { printer: page < 3 ? "A" : "B" } }));
}
async function run(): Promise<void> {
  const work = (): void => {
    if (broken) throw new PermanentError("out of paper");
  };
  const worker = new Worker(queue, "default", work, { stopWhenEmpty: true });
  worker.on("dead", ({ job, error }) => console.log(job.id, "is in failed:", error.message));
  await worker.run();
}
await run();

// #region list
const { jobs, cursor } = await queue.records.list({ state: "failed", error: "paper" }, { limit: 2 });
for (const job of jobs) console.log(job.id, job.failure?.message, `after ${job.attempts} attempt`);
const next = await queue.records.list({ state: "failed", error: "paper" }, { limit: 2, cursor });
for (const job of next.jobs) console.log(job.id, "on the second page");
// #endregion list

// #region show
const failed = await queue.records.get("page-1");
console.log(failed?.state, failed?.failure?.name, failed?.failure?.stack !== undefined);
// #endregion show

broken = false;
// #region retry
console.log("retried:", await queue.records.retry(["page-1"])); // by id, or by filter:
console.log("retried:", await queue.records.retry({ tag: ["printer", "A"] }));
console.log("forgotten:", await queue.records.remove(["page-3"]));
// #endregion retry

await run();
const { completedJobs, failedJobs } = await queue.getStats();
console.log(`completed ${completedJobs}, failed ${failedJobs}`);

// #region prune
const monthAgo = new Date(Date.now() - 30 * 86_400_000);
console.log("pruned:", await queue.records.remove({ state: "failed", before: monthAgo }));
// #endregion prune
await queue.close();

// #region retention
const short = sqliteQueue("jobs.db", { keepFailed: { age: "7d", count: 10_000 }, keepCompleted: { count: 100 } });
// #endregion retention
await short.open();
await short.close();

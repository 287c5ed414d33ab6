// Push a job, take it, finish it.
// #region basic
import { createJob, getStats, init, pop, push, queues } from "jobferry";

init(); // a queue in memory, registered as "default"

const pushed = await push(createJob({ text: "Hello, ferry" }));
console.log(`pushed to "${pushed.queue}"`);

const job = await pop({ wait: "1s" });
if (job !== undefined) {
  console.log(`attempt ${job.attempts}:`, job.payload);
  await job.complete(); // or job.delete(), job.release("5s"), job.fail(error)
}

const { pendingJobs, completedJobs } = await getStats();
console.log(`${pendingJobs} waiting, ${completedJobs} done`);
await queues.close();
// #endregion basic

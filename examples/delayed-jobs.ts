// A job that becomes due later: after a delay, or at a time.
// #region delayed
import { createJob, memoryQueue } from "jobferry";

const queue = memoryQueue();

await queue.push(createJob("in 500 ms", { delay: 500 }));
await queue.later(createJob("in 600 ms"), "600ms");
await queue.later(createJob("at a time"), new Date(Date.now() + 700));
console.log(`${(await queue.getStats()).delayedJobs} delayed`);

console.log("at once:", await queue.pop()); // nothing is due yet
for (let i = 0; i < 3; i++) {
  const job = await queue.pop({ wait: "2s" });
  console.log(`${i + 1}.`, job?.payload);
  await job?.complete();
}
// #endregion delayed
await queue.close();

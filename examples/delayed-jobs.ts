// A job that becomes due later: after a delay, or at a time.
// #region delayed
import { createJob, memoryQueue } from "jobferry";

const queue = memoryQueue();

await queue.push(createJob("in 100 ms", { delay: 100 }));
await queue.later(createJob("in 200 ms"), "200ms");
await queue.later(createJob("at a time"), new Date(Date.now() + 300));
console.log(`${(await queue.getStats()).delayedJobs} delayed`);

console.log("at once:", await queue.pop()); // nothing is due yet
for (let i = 0; i < 3; i++) {
  const job = await queue.pop({ wait: "2s" });
  console.log(`${i + 1}.`, job?.payload);
  await job?.complete();
}
// #endregion delayed
await queue.close();

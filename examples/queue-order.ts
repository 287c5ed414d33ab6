// One worker on several queues: in strict order, or by weights.
import { createJob, memoryQueue, Worker, type Queue } from "jobferry";

async function filled(): Promise<Queue> {
  const queue = memoryQueue();
  for (const name of ["low", "high"]) {
    await queue.pushBatch(Array.from({ length: 100 }, (_, i) => createJob(i, { queue: name })));
  }
  return queue;
}

// #region strict
const queue = await filled(); // 100 jobs in "low", 100 in "high"
const order: string[] = [];
const strict = new Worker(queue, ["high", "low"], (job) => void order.push(job.queue), { stopWhenEmpty: true });
await strict.run();
console.log("strict:", order.indexOf("low") === 100 ? "all of high before the first of low" : "mixed");
// #endregion strict
await queue.close();

// #region weights
const other = await filled();
const first: string[] = [];
const weighted = new Worker(other, { high: 3, low: 1 }, (job) => void first.push(job.queue), {
  stopWhenEmpty: true,
  prefetch: 0, // asks again for each job
});
await weighted.run();
const highs = first.slice(0, 60).filter((name) => name === "high").length;
console.log("weights:", highs > 30 && highs < 60 ? "more of high, and some of low from the start" : `${highs} of 60`);
// #endregion weights
await other.close();

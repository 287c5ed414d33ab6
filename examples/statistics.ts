// What a queue holds now, and what it has done.
import { createJob, createQueue, type QueueStats } from "jobferry";

const queue = await createQueue(process.env["JOBFERRY_URL"] ?? "memory:");
await queue.pushBatch([1, 2, 3, 4].map((page) => createJob({ page }, { queue: "pages" })));
await queue.later(createJob({ page: 5 }, { queue: "pages" }), "1h");
await (await queue.pop({ queue: "pages" }))?.complete();
await (await queue.pop({ queue: "pages" }))?.fail(new Error("torn"));
await queue.pop({ queue: "pages" });

// #region statistics
const stats: QueueStats = await queue.getStats("pages"); // without a name: of all queues
console.log(`pending ${stats.pendingJobs}, delayed ${stats.delayedJobs}, reserved ${stats.reservedJobs}`);
console.log(`failed ${stats.failedJobs}, completed ${stats.completedJobs}, total ${stats.totalJobs}`);
console.log(`exact: ${stats.exact}, paused: ${stats.paused}`);
console.log(`waiting: ${await queue.size("pages")}, queues: ${(await queue.queues()).join(", ")}`);
// #endregion statistics
await queue.close();

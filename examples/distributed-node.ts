// One node. Start it as often as you like: the processes share the jobs, and one of them leads.
// #region node
import { createJob, DistributedQueue } from "jobferry";
import { sqliteCluster } from "jobferry/sqlite";

const node = new DistributedQueue({
  cluster: sqliteCluster("jobs.db", { nodeId: `node-${process.pid}` }),
  handler: async (job) => console.log(job.payload),
});
process.once("SIGTERM", () => void node.stop());

await node.start();
await node.push(createJob({ page: 1 }));
// #endregion node
while (node.getWorkerPool().getStats().totalProcessed === 0) await new Promise((resolve) => setTimeout(resolve, 20));
const { isLeader, onlineNodes } = await node.getDistributedStats();
console.log(`leads: ${isLeader}, online: ${onlineNodes}`);
await node.stop();

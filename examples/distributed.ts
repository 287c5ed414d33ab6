// Several nodes share the work; one of them leads. Here they live in one process; with sqliteCluster each is a process of its own.
// #region distributed
import { createJob, DistributedQueue, memoryCluster } from "jobferry";

const nodes = ["node-1", "node-2"].map(
  (nodeId) =>
    new DistributedQueue({
      cluster: memoryCluster({ nodeId }),
      workerCount: 1,
      electionTimeout: "5s",
      heartbeatInterval: "1s",
      handler: async (job) => `${nodeId} did ${JSON.stringify(job.payload)}`,
      onCompleted: ({ result }) => console.log(result),
    }),
);
const [first, second] = nodes;
for (const node of nodes) await node.start();

for (let n = 1; n <= 4; n += 1) await first?.push(createJob({ page: n }));
await new Promise((resolve) => setTimeout(resolve, 100));

await first?.stop(); // hands leadership over at once; its jobs stay for the others
await second?.push(createJob({ page: 5 }));
await new Promise((resolve) => setTimeout(resolve, 100));
const stats = await second?.getDistributedStats();
console.log("leader:", stats?.leaderId, "online:", stats?.onlineNodes);
await second?.stop();
// #endregion distributed

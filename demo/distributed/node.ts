import { DistributedQueue, type Queue } from "jobferry";
import { digest, digestJob, QUEUE } from "./digest-job.ts";
import type { NodeSettings } from "./environment.ts";
import { openCluster, openQueue } from "./store.ts";

/** What the table shows of a node. */
export type NodeRow = Readonly<{
  nodeId: string;
  isLeader: boolean;
  onlineNodes: number;
  slots: number;
  active: number;
  done: number;
}>;

export type NodeHooks = Readonly<{
  elected(term: bigint): void;
  error(message: string): void;
}>;

export type DemoNode = Readonly<{
  push(n: number): Promise<unknown>;
  row(): Promise<NodeRow>;
  stop(): Promise<void>;
}>;

/** One node that runs the demo's jobs. Jobs lie in the cluster's own store where that keeps jobs; there they are opened apart only to keep the finished ones for a check. */
export async function startNode(settings: NodeSettings, hooks: NodeHooks): Promise<DemoNode> {
  const { nodeId, workers, workMs } = settings;
  const cluster = await openCluster(settings);
  const isApart = settings.keepCompleted || settings.type === "zookeeper";
  const queue: Queue | undefined = isApart ? await openQueue(settings) : undefined;
  const tell = ({ error }: Readonly<{ error: Error }>): void => hooks.error(error.message);
  cluster.on("error", tell);
  const node = new DistributedQueue({
    cluster,
    ...(queue === undefined ? {} : { queue }),
    queues: QUEUE,
    workerCount: workers,
    // Jobs of a node that was killed come back after this time.
    worker: { lease: settings.electionMs },
    handler: [digestJob.handle((job, { signal }) => digest(job.payload.n, nodeId, workMs, signal))],
  });
  node.getWorkerPool().on("error", tell);
  await node.start();
  cluster.on("leader", ({ leader }) => {
    if (leader?.nodeId === nodeId) hooks.elected(leader.term);
  });
  if (cluster.leader?.nodeId === nodeId) hooks.elected(cluster.leader.term);
  return {
    push: (n) => node.push(digestJob.create({ n })),
    row: async () => {
      const { isLeader, onlineNodes, workers: pool } = await node.getDistributedStats();
      const { totalWorkers: slots, activeWorkers: active, totalProcessed: done } = pool;
      return { nodeId, isLeader, onlineNodes, slots, active, done };
    },
    stop: async () => {
      await node.stop();
      // Nodes in one process share the queue in memory.
      if (settings.type !== "memory") await queue?.close();
    },
  };
}

/** A process of the benchmarks: `claims` runs jobs as a node, `lead` holds a place in the election of many clusters at once. */
import { createCluster, DistributedQueue } from "../../dist/entry/index.js";

const [, , role, url, nodeId, ...rest] = process.argv;
const tell = (message) => process.send?.({ nodeId, at: performance.timeOrigin + performance.now(), ...message });
const silent = { debug() {}, info() {}, warn() {}, error() {} };
process.once("disconnect", () => process.exit(0));

if (role === "claims") {
  const cluster = await createCluster(url, { nodeId, logger: silent });
  const node = new DistributedQueue({
    cluster,
    workerCount: 1,
    maxConcurrency: 10,
    worker: { prefetch: "auto" },
    handler: () => undefined,
  });
  let done = 0;
  node.getWorkerPool().on("completed", () => (done += 1));
  process.on("message", (message) => void take(message));
  const take = async (message) => {
    if (message === "go") {
      node.getWorkerPool().resume();
      setInterval(() => tell({ kind: "done", done }), 20);
    }
    if (message === "stop") {
      await node.stop();
      process.exit(0);
    }
  };
  node.getWorkerPool().pause();
  await node.start();
  tell({ kind: "ready" });
}

if (role === "lead") {
  const [count, ttl] = rest.map(Number);
  const clusters = [];
  for (let n = 0; n < count; n += 1) {
    const cluster = await createCluster(url, { nodeId, name: `c${n}`, electionTimeout: ttl, logger: silent });
    cluster.on("error", () => undefined);
    await cluster.start();
    // Heartbeats of the clusters at different times, as if they had nothing to do with each other.
    await new Promise((resolve) => setTimeout(resolve, Math.random() * (ttl / 5)));
    await cluster.elect({ onElected: () => tell({ kind: "elected", cluster: n }) });
    clusters.push(cluster);
  }
  process.on("message", (message) => void take(message));
  const take = async (message) => {
    if (message === "resign") {
      for (const [n, cluster] of clusters.entries()) {
        tell({ kind: "resigns", cluster: n });
        await cluster.resign();
        await new Promise((resolve) => setTimeout(resolve, 30));
      }
      tell({ kind: "resigned" });
    }
    if (message === "stop") {
      await Promise.all(clusters.map((cluster) => cluster.stop()));
      process.exit(0);
    }
  };
  tell({ kind: "ready" });
}

import { readFileSync } from "node:fs";
import { createCluster, DistributedQueue } from "../../dist/entry/index.js";
import { startMeter } from "./meter.mjs";
import { raw } from "./raw.mjs";
import { openStore, sleep } from "./stores.mjs";

const WINDOW_MS = 8_000;
const SETTLE_MS = 4_000;
/** The default of a cluster. */
const HEARTBEAT_MS = 2_000;

/**
 * What an idle cluster costs its store: requests and bytes a second, of nodes with default times that have no jobs; and the least that any cluster
 * costs, one connection and one sign of life in the same interval for each node.
 */
export async function idle(kind, { sizes = [3, 10, 50] } = {}) {
  const results = {};
  for (const nodes of sizes) {
    const ours = await measure(kind, nodes, startNodes);
    results[nodes] = { ...ours, raw: await measure(kind, nodes, startRaw) };
  }
  return results;
}

async function startNodes(kind, url, count) {
  const nodes = [];
  for (let n = 0; n < count; n += 1) {
    const cluster = await createCluster(url, { nodeId: `node-${n}` });
    const node = new DistributedQueue({ cluster, workerCount: 2, handler: () => undefined });
    await node.start();
    nodes.push(node);
  }
  return () => Promise.all(nodes.map((node) => node.stop()));
}

async function startRaw(kind, url, count) {
  const clients = [];
  for (let n = 0; n < count; n += 1) clients.push(await raw[kind](url));
  const timers = clients.map((client, n) => setInterval(() => client.beat(n), HEARTBEAT_MS));
  return async () => {
    for (const timer of timers) clearInterval(timer);
    await Promise.all(clients.map((client) => client.close()));
  };
}

async function measure(kind, count, start) {
  const store = await openStore(kind, kind === "postgres" ? ["-c", "max_connections=600"] : []);
  const meter = kind === "sqlite" ? fileMeter() : await startMeter(kind, store.url);
  let stop;
  try {
    stop = await start(kind, meter.url ?? store.url, count);
    await sleep(SETTLE_MS);
    const { connections, ...before } = meter.read();
    const cpu = process.cpuUsage();
    const from = performance.now();
    await sleep(WINDOW_MS);
    const seconds = (performance.now() - from) / 1_000;
    const after = meter.read();
    const { user, system } = process.cpuUsage(cpu);
    const rates = Object.fromEntries(Object.keys(before).map((key) => [key, (after[key] - before[key]) / seconds]));
    return { connections, ...rates, cpuMsPerSecond: (user + system) / 1_000 / seconds };
  } finally {
    await stop?.();
    meter.close();
    await store.close();
  }
}

/** All nodes are in this process: what it writes is what they write. */
function fileMeter() {
  const read = () => {
    const io = readFileSync("/proc/self/io", "utf8");
    const [writes, bytesWritten] = [/syscw: (\d+)/, /wchar: (\d+)/].map((pattern) => Number(pattern.exec(io)?.[1]));
    return { writes, bytesWritten };
  };
  return { read, close: () => undefined };
}

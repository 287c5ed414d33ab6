import { createJob, createQueue } from "../../dist/entry/index.js";
import { cases } from "../cases.mjs";
import { plan } from "../plan.mjs";
import { end, startMember } from "./members.mjs";
import { isCoordinated, openStore, quantile, until } from "./stores.mjs";

const REPEATS = 3;
/** Stores for few jobs take no more than 10,000 that wait. */
const jobsFor = (kind) => (isCoordinated(kind) ? 4_000 : 20_000);
const NO_RAW =
  "none: these stores have no claim of their own that processes could share; bench:coordinated has the transactions of their clients beside it";

/**
 * Jobs a second of 1, 2, 4 and 8 processes, each a node with ten slots and a handler that does nothing; and of as many processes with the raw
 * client, that claim ten and delete them, without nodes, leases that end, attempts and a plan. The clients of etcd, Consul and ZooKeeper only know keys:
 * who shares jobs among processes with them writes a queue, and what would be measured is that queue.
 */
export async function claims(kind, { jobs = jobsFor(kind), processes = [1, 2, 4, 8] } = {}) {
  const results = isCoordinated(kind) ? { raw: NO_RAW } : {};
  for (const count of processes) {
    const rates = await repeated(() => once(kind, count, jobs));
    results[count] = isCoordinated(kind) ? rates : { ...rates, raw: await repeated(() => rawOnce(kind, count, jobs)) };
  }
  return results;
}

async function repeated(measure) {
  const rates = [];
  for (let repeat = 0; repeat < REPEATS; repeat += 1) rates.push(await measure());
  return spread(rates);
}

const spread = (rates) => ({ median: quantile(rates, 0.5), min: Math.min(...rates), max: Math.max(...rates) });

async function rawOnce(kind, count, jobs) {
  const { peers, durability } = plan[kind];
  const server = kind === "postgres" ? await openStore(kind) : undefined;
  // Where the raw client of this store finds its server; others start their own.
  if (server !== undefined) process.env.JOBFERRY_BENCH_URL = server.url;
  const peer = (await peers()).find(({ name }) => name.startsWith("raw"));
  const run = { backend: kind, count: jobs, workers: count, concurrency: 10 };
  try {
    return (await cases.processes({ ...peer, durability }, run)).value;
  } finally {
    await server?.close();
  }
}

async function once(kind, count, jobs) {
  const store = await openStore(kind);
  const done = new Map();
  let last = 0;
  const heard = (message) => {
    if (message.kind !== "done" || message.done === done.get(message.nodeId)) return;
    done.set(message.nodeId, message.done);
    last = message.at;
  };
  const members = [];
  try {
    const queue = await createQueue(store.url);
    const pad = "x".repeat(100);
    for (let i = 0; i < jobs; i += 1_000)
      await queue.pushBatch(Array.from({ length: 1_000 }, (_, n) => createJob({ i: i + n, pad })));
    for (let n = 0; n < count; n += 1) members.push(await startMember("claims", store.url, `node-${n}`, [], heard));
    const start = performance.timeOrigin + performance.now();
    for (const member of members) member.send("go");
    await until(() => [...done.values()].reduce((sum, n) => sum + n, 0) >= jobs, "all jobs are done");
    const { completedJobs } = await queue.getStats();
    if (completedJobs !== jobs) throw new Error(`${completedJobs} of ${jobs} jobs are completed`);
    await queue.close();
    return jobs / ((last - start) / 1_000);
  } finally {
    await Promise.all(members.map((member) => end(member)));
    await store.close();
  }
}

/** Options and statistics of a DistributedQueue, seen by what they do. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { insideOf } from "../../../src/cluster/index.ts";
import {
  createJob,
  DistributedQueue,
  type DistributedQueueOptions,
  memoryCluster,
  MemoryCoordination,
  memoryQueue,
} from "../../../src/entry/index.ts";
import { postgresCluster } from "../../../src/entry/postgres.ts";
import { redisCluster } from "../../../src/entry/redis.ts";
import { sqliteCluster } from "../../../src/entry/sqlite.ts";
import { silentLogger } from "../../../src/runtime/index.ts";
import { failure } from "../cluster/stage.ts";

const PLAIN = new URL("../../worker/pool/modules/plain.mjs", import.meta.url);

let memory: MemoryCoordination;
let nodes: DistributedQueue[];

beforeEach(() => {
  memory = new MemoryCoordination();
  nodes = [];
});
afterEach(async () => {
  for (const node of nodes) await node.stop();
});

function make(nodeId: string, options: Partial<DistributedQueueOptions> = {}): DistributedQueue {
  const cluster = memoryCluster({ nodeId, memory, logger: silentLogger, electionTimeout: "2s" });
  const node = new DistributedQueue({ cluster, handler: () => undefined, ...options });
  nodes.push(node);
  return node;
}

test.each(["threads", "processes"] as const)("isolation: %s run the job in a child of their own", async (isolation) => {
  const queue = memoryQueue({ logger: silentLogger });
  const node = make("a", { queue, handler: PLAIN, isolation, workerCount: 1 });
  const { promise, resolve } = Promise.withResolvers<unknown>();
  node.setOnCompleted(({ result }) => resolve(result));
  await node.start();
  await node.push(createJob({ a: [1] }, { name: "any" }));
  expect(await promise).toEqual({ name: "any", payload: { a: [1] } });
  await node.stop();
  await queue.close();
});

test("strategy balanced plans as many slots for a queue of weight 3 as for one of weight 1", async () => {
  const node = make("a", {
    queues: { mail: 3, pdf: 1 },
    workerCount: 4,
    strategy: "balanced",
    handler: () => undefined,
  });
  await node.start();
  await expect
    .poll(async () => (await node.getDistributedStats()).plannedSlots, { timeout: 10_000 })
    .toEqual({ mail: 2, pdf: 2 });
});

test("activeWorkers are those that run a job", async () => {
  const gate = Promise.withResolvers<void>();
  const node = make("a", { workerCount: 3, handler: () => gate.promise });
  await node.start();
  await node.push(createJob(1));
  await node.push(createJob(2));
  const workers = async () => (await node.getDistributedStats()).workers;
  await expect.poll(workers, { timeout: 10_000 }).toMatchObject({ totalWorkers: 3, activeWorkers: 2, idleWorkers: 1 });
  gate.resolve();
  await expect.poll(workers, { timeout: 10_000 }).toMatchObject({ activeWorkers: 0, totalProcessed: 2 });
});

test("lockTimeout is what the cluster's locks go by", () => {
  const cluster = memoryCluster({ nodeId: "a", memory, logger: silentLogger });
  nodes.push(new DistributedQueue({ cluster, handler: () => undefined, lockTimeout: "7s" }));
  expect(insideOf(cluster).settings).toMatchObject({ lockMs: 7_000, electionMs: 10_000 });
});

test("a start that fails with a cluster of its own leaves no node behind", async () => {
  const witness = make("witness");
  await witness.start();
  const module = new URL("file:///nowhere/at-all.ts");
  const broken = make("broken", { handler: module, isolation: "threads" });
  expect((await failure(broken.start())).code).toBe("MODULE_INVALID");
  expect((await witness.getClusterNodes()).map(({ id }) => id)).toEqual(["witness"]);
});

const handler = (): number => 1;

test.each([
  ["nothing", undefined, /DistributedQueue options is null/],
  ["no cluster", { handler }, /cluster is undefined; it must be a Cluster/],
  ["a URL as cluster", { cluster: "sqlite:./x.db", handler }, /cluster is "sqlite:\.\/x\.db"; .*awaited/],
  ["a cluster that was not awaited", { cluster: Promise.resolve(), handler }, /an object \(Promise\); .*awaited/],
  ["no handler", { cluster: memoryCluster({ nodeId: "a" }) }, /handler is undefined; it must be a function/],
])("%s is refused by the name of the option", (_, options, message) => {
  expect(() => new DistributedQueue(options as never)).toThrow(message);
});

test.each([
  ["memoryCluster", () => memoryCluster(undefined as never)],
  ["sqliteCluster", () => sqliteCluster("c.db", undefined as never)],
  ["postgresCluster", () => postgresCluster(undefined as never)],
  ["redisCluster", () => redisCluster(undefined as never)],
])("%s without options says so", (name, make) => {
  expect(make).toThrow(`${name} options is null; it must be an object`);
});

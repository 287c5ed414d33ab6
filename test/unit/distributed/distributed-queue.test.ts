import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import {
  Cluster,
  type ClusterOptions,
  createJob,
  DistributedQueue,
  type DistributedQueueOptions,
  memoryCluster,
  MemoryCoordination,
  memoryQueue,
  Queue,
} from "../../../src/entry/index.ts";
import { sqliteCluster } from "../../../src/entry/sqlite.ts";
import { Metrics } from "../../../src/distributed/metrics.ts";
import { insideOf } from "../../../src/cluster/index.ts";
import { memoryDriver } from "../../../src/drivers/memory/memory-driver.ts";
import { memoryCoordinationStore } from "../../../src/drivers/memory/coordination-store.ts";
import { silentLogger } from "../../../src/runtime/index.ts";
import { virtualClock } from "../../../src/testing/virtual-clock.ts";
import { FaultyClient } from "../../conformance/coordination/faults.ts";
import { failure } from "../cluster/stage.ts";

const TTL = 3_000;

class Fleet {
  readonly clock = virtualClock();
  readonly memory = new MemoryCoordination();
  readonly queue = memoryQueue({ clock: this.clock, logger: silentLogger });
  readonly done: string[] = [];
  readonly nodes: DistributedQueue[] = [];

  cluster(nodeId: string, options: Partial<ClusterOptions> = {}): Cluster {
    return memoryCluster({ nodeId, memory: this.memory, clock: this.clock, logger: silentLogger, ...options });
  }

  make(cluster: Cluster, options: Partial<DistributedQueueOptions> = {}): DistributedQueue {
    const node = new DistributedQueue({
      cluster,
      queue: this.queue,
      workerCount: 2,
      handler: (job) => void this.done.push(`${cluster.nodeId} ${job.queue}`),
      electionTimeout: TTL,
      heartbeatInterval: 500,
      ...options,
    });
    this.nodes.push(node);
    return node;
  }

  async started(nodeId: string, options: Partial<DistributedQueueOptions> = {}): Promise<DistributedQueue> {
    const node = this.make(this.cluster(nodeId), options);
    await this.settled(node.start());
    await this.clock.advance(0);
    return node;
  }

  async settled<T>(promise: Promise<T>): Promise<T> {
    let isDone = false;
    promise.then(
      () => (isDone = true),
      () => (isDone = true),
    );
    for (let passed = 0; !isDone && passed < 60_000; passed += 100) await this.clock.advance(passed === 0 ? 0 : 100);
    return promise;
  }

  async stop(): Promise<void> {
    for (const node of this.nodes) await this.settled(node.stop());
    await this.settled(this.queue.close());
  }
}

const fleets: Fleet[] = [];
function newFleet(): Fleet {
  const fleet = new Fleet();
  fleets.push(fleet);
  return fleet;
}
afterEach(async () => {
  for (const fleet of fleets.splice(0)) {
    await fleet.stop();
    expect(fleet.clock.armed, "timers left").toBe(0);
  }
});

test("three nodes share the work, one leads, and the statistics say so", async () => {
  const fleet = newFleet();
  const nodes = [await fleet.started("a"), await fleet.started("b"), await fleet.started("c")];
  for (let n = 0; n < 60; n += 1) await nodes[n % 3]!.push(createJob(n));
  await fleet.clock.advance(5_000);
  expect(fleet.done.length).toBe(60);
  const stats = await Promise.all(nodes.map((node) => node.getDistributedStats()));
  expect(
    stats.map(({ nodeId, isLeader, totalNodes, onlineNodes, leaderId }) => [
      nodeId,
      isLeader,
      totalNodes,
      onlineNodes,
      leaderId,
    ]),
  ).toEqual([
    ["a", true, 3, 3, "a"],
    ["b", false, 3, 3, "a"],
    ["c", false, 3, 3, "a"],
  ]);
  expect(stats[0]?.workers).toMatchObject({ status: "running", totalWorkers: 2, idleWorkers: 2, totalFailed: 0 });
  expect(stats.reduce((sum, { workers }) => sum + workers.totalProcessed, 0)).toBe(60);
  expect((await nodes[0]!.getClusterNodes()).map(({ id, load }) => [id, load])).toEqual(
    ["a", "b", "c"].map((id) => [id, { slots: 2, queues: ["default"] }]),
  );
});

test("callbacks are heard, and a setter takes the place of what was set before", async () => {
  const fleet = newFleet();
  const heard: string[] = [];
  const node = await fleet.started("a", {
    handler: (job) => {
      if (job.payload === "bad") throw new Error("no");
    },
    onCompleted: ({ job }) => heard.push(`option: ${String(job.payload)}`),
    onFailed: ({ error, willRetry }) => heard.push(`option: ${error.message} ${willRetry}`),
  });
  const push = async (): Promise<void> => {
    await node.push(createJob("good"));
    await node.push(createJob("bad", { maxAttempts: 1 }));
    await fleet.clock.advance(1_000);
  };
  await push();
  expect(heard.splice(0).toSorted()).toEqual(["option: good", "option: no false"]);
  const onFailed = (): unknown => heard.push("setter: failed");
  node.setOnCompleted(() => heard.push("first setter")).setOnFailed(onFailed);
  node.setOnCompleted(({ job }) => heard.push(`setter: ${String(job.payload)}`)).setOnFailed(onFailed);
  await push();
  expect(heard.toSorted()).toEqual(["setter: failed", "setter: good"]);
  expect(node.getWorkerPool().getStats()).toMatchObject({ totalProcessed: 4, totalFailed: 2 });
  expect(() => node.setOnFailed("no" as never)).toThrow(/a function/);
});

test("without a queue the jobs lie in the cluster's own store, shared by its nodes", async () => {
  const fleet = newFleet();
  const handler = (job: { payload: unknown }): void => void fleet.done.push(String(job.payload));
  const options = { handler, electionTimeout: TTL } as const;
  const a = new DistributedQueue({ cluster: fleet.cluster("a"), ...options });
  const b = new DistributedQueue({ cluster: fleet.cluster("b"), ...options });
  expect(a.queue).toBe(b.queue);
  await fleet.settled(b.start());
  await a.push(createJob("from a"));
  await fleet.clock.advance(1_000);
  expect(fleet.done).toEqual(["from a"]);
  await fleet.settled(b.stop());
  await a.queue.close();
});

test("a node that only pushes needs no start, and stop closes what it opened", async () => {
  const folder = mkdtempSync(join(tmpdir(), "jobferry-distributed-"));
  const cluster = sqliteCluster(join(folder, "jobs.db"), { nodeId: "pushes" });
  const node = new DistributedQueue({ cluster, handler: () => undefined });
  await node.push(createJob(1));
  expect(await node.queue.size()).toBe(1);
  await node.stop();
  expect((await failure(node.push(createJob(2)))).code).toBe("CLOSED");
  rmSync(folder, { recursive: true });
});

describe("the plan", () => {
  test("is made by the leader, seen by all, and covers every queue", async () => {
    const fleet = newFleet();
    const queues = { mail: 3, pdf: 1 };
    const options = { queues, workerCount: 4, strategy: "weighted" } as const;
    const nodes = [await fleet.started("a", options), await fleet.started("b", options)];
    await fleet.clock.advance(2_000);
    const planned = await Promise.all(nodes.map(async (node) => (await node.getDistributedStats()).plannedSlots));
    const sum = (queue: string): number => planned.reduce((all, slots) => all + (slots?.[queue] ?? 0), 0);
    expect([sum("mail"), sum("pdf")]).toEqual([6, 2]);
  });

  test("goes by the weights that the nodes were given, also when the leader serves none of those queues", async () => {
    const fleet = newFleet();
    await fleet.started("a", { queues: "other", strategy: "weighted" });
    const b = await fleet.started("b", { queues: { mail: 3, pdf: 1 }, workerCount: 4, strategy: "weighted" });
    await fleet.clock.advance(2_000);
    expect(await b.getDistributedStats()).toMatchObject({ isLeader: false, plannedSlots: { mail: 3, pdf: 1 } });
  });

  test("that cannot be made is told once, and made again when it can be", async () => {
    const fleet = newFleet();
    const warnings: string[] = [];
    const warn = (_fields: object, message: string): void => void warnings.push(message);
    const logger = { ...silentLogger, warn };
    const driver = memoryDriver();
    const stats = driver.stats.bind(driver);
    let isBroken = true;
    driver.stats = (queue) => (isBroken ? Promise.reject(new Error("no numbers")) : stats(queue));
    const queue = new Queue(driver, { clock: fleet.clock, logger });
    const node = fleet.make(fleet.cluster("a", { logger }), { queue, metricsInterval: "10m" });
    await fleet.settled(node.start());
    await fleet.clock.advance(20_000);
    expect(warnings.filter((message) => message.includes("plan of slots")).length).toBe(1);
    expect((await node.getDistributedStats()).plannedSlots).toBeUndefined();
    isBroken = false;
    await fleet.clock.advance(2_000);
    expect((await node.getDistributedStats()).plannedSlots).toEqual({ default: 2 });
    await fleet.stop();
    await queue.close();
  });

  test("idle slots take from any queue, whatever the plan says", async () => {
    const fleet = newFleet();
    await fleet.started("a", { queues: ["x", "y"], workerCount: 1 });
    await fleet.clock.advance(2_000);
    for (const queue of ["x", "y"]) await fleet.queue.push(createJob(0, { queue }));
    await fleet.clock.advance(1_000);
    expect(fleet.done.toSorted()).toEqual(["a x", "a y"]);
  });

  test("follows the backlog with auto", async () => {
    const fleet = newFleet();
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const node = await fleet.started("a", { queues: ["x", "y"], workerCount: 8, handler: () => held });
    for (let n = 0; n < 500; n += 1) await fleet.queue.push(createJob(n, { queue: "y" }));
    await fleet.clock.advance(3_000);
    const { plannedSlots } = await node.getDistributedStats();
    expect([plannedSlots?.["y"] ?? 0, plannedSlots?.["x"] ?? 0]).toEqual([6, 2]);
    release();
  });

  test("of a leader that was deposed is refused by the store", async () => {
    const fleet = newFleet();
    const [a, b] = [fleet.cluster("a"), fleet.cluster("b")];
    await a.start();
    await b.start();
    const old = await (await a.elect()).elected();
    const next = await b.elect();
    await a.resign();
    const current = await fleet.settled(next.elected());
    const board = insideOf(a).board;
    expect(await board.put("slots", { number: 2 }, current)).toBe(true);
    expect(await board.put("slots", { number: 1 }, old)).toBe(false);
    await a.stop();
    await b.stop();
  });

  test("is not made and not heeded without enableJobDistribution", async () => {
    const fleet = newFleet();
    const node = await fleet.started("a", { enableJobDistribution: false });
    await fleet.clock.advance(5_000);
    expect(await node.getDistributedStats()).toMatchObject({ isLeader: true, plannedSlots: undefined });
  });
});

describe("work goes on", () => {
  test("without any leader", async () => {
    const fleet = newFleet();
    const node = await fleet.started("a", { enableLeaderElection: false });
    await node.push(createJob(1));
    await fleet.clock.advance(TTL * 3);
    expect(fleet.done).toEqual(["a default"]);
    expect(await node.getDistributedStats()).toMatchObject({ isLeader: false, leaderId: undefined });
  });

  test("when the leader hangs: its plan runs out, and others lead when its session has ended", async () => {
    const fleet = newFleet();
    const line = new FaultyClient(memoryCoordinationStore(fleet.memory));
    const hung = new Cluster(line, { nodeId: "a", clock: fleet.clock, logger: silentLogger });
    await fleet.settled(fleet.make(hung).start());
    const b = await fleet.started("b");
    await fleet.clock.advance(2_000);
    expect((await b.getDistributedStats()).plannedSlots).toEqual({ default: 2 });
    line.hang();
    await b.push(createJob(1));
    await fleet.clock.advance(1_000);
    expect(fleet.done.length).toBe(1);
    await fleet.clock.advance(TTL * 1.5);
    expect(await b.getDistributedStats()).toMatchObject({ isLeader: true, onlineNodes: 1, totalNodes: 2 });
    await b.push(createJob(2));
    await fleet.clock.advance(1_000);
    expect(fleet.done.length).toBe(2);
  });

  test("when the leader stops: the next leads before the running jobs of the old one have ended", async () => {
    const fleet = newFleet();
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const a = await fleet.started("a", { handler: () => held });
    await a.push(createJob(1));
    await fleet.clock.advance(100);
    const b = await fleet.started("b");
    const stopping = a.stop();
    await fleet.clock.advance(100);
    expect((await b.getDistributedStats()).isLeader).toBe(true);
    expect(a.getWorkerPool().getStats().status).toBe("stopping");
    release();
    await fleet.settled(stopping);
    expect((await b.getDistributedStats()).onlineNodes).toBe(1);
  });
});

describe("upkeep of the store", () => {
  /** A queue for one node on the fleet's jobs, and how often that node called `maintain`. */
  function counted(fleet: Fleet): { queue: Queue; calls: () => number } {
    const driver = memoryDriver();
    let calls = 0;
    const maintain = driver.maintain.bind(driver);
    driver.maintain = (options) => {
      calls += 1;
      return maintain(options);
    };
    return { queue: new Queue(driver, { clock: fleet.clock, logger: silentLogger }), calls: () => calls };
  }

  test("is the leader's, and each node's again when there has been no leader for two time-outs", async () => {
    const fleet = newFleet();
    const [leader, other] = [counted(fleet), counted(fleet)];
    const a = await fleet.started("a", { queue: leader.queue });
    await fleet.started("b", { queue: other.queue, enableLeaderElection: false });
    await fleet.clock.advance(120_000);
    expect(leader.calls()).toBeGreaterThanOrEqual(6);
    expect(other.calls()).toBe(0);
    await fleet.settled(a.stop());
    await fleet.clock.advance(120_000);
    expect(other.calls()).toBeGreaterThanOrEqual(5);
    await leader.queue.close();
    await fleet.stop();
    await other.queue.close();
  });

  test("by two at once is safe: delayed jobs and lost leases come back once", async () => {
    const fleet = newFleet();
    const line = new FaultyClient(memoryCoordinationStore(fleet.memory));
    const cut = new Cluster(line, { nodeId: "a", clock: fleet.clock, logger: silentLogger });
    await fleet.settled(fleet.make(cut).start());
    const b = await fleet.started("b");
    for (let n = 0; n < 50; n += 1) await b.push(createJob(n, { delay: 20_000 + n * 100 }));
    // The old leader keeps the store in order without a session, the new one because it leads.
    const heal = line.cut();
    await fleet.clock.advance(60_000);
    expect((await b.getDistributedStats()).isLeader).toBe(true);
    expect(fleet.done.length).toBe(50);
    expect(await fleet.queue.getStats()).toMatchObject({ completedJobs: 50, delayedJobs: 0, reservedJobs: 0 });
    heal();
  });
});

test("two leaders at once, on purpose: both keep the same jobs in order, plan and take samples, and every job runs once", async () => {
  const fleet = newFleet();
  const ran: unknown[] = [];
  const options = { handler: (job: { payload: unknown }) => void ran.push(job.payload), queues: { x: 2, y: 1 } };
  await fleet.queue.push(createJob("lost", { queue: "x" }));
  await fleet.queue.pop({ queue: "x", lease: 5_000 }); // nobody finishes it: its lease runs out
  // Two clusters that do not know of each other, on the same jobs: a split brain that lasts.
  const nodes: DistributedQueue[] = [];
  for (const name of ["one", "two"]) {
    const node = fleet.make(fleet.cluster("a", { name }), options);
    await fleet.settled(node.start());
    nodes.push(node);
  }
  for (let n = 0; n < 100; n += 1)
    await fleet.queue.push(createJob(n, { queue: n % 2 === 0 ? "x" : "y", delay: n * 1_000 }));
  await fleet.clock.advance("3m");
  for (const node of nodes) {
    const stats = await node.getDistributedStats();
    expect(stats).toMatchObject({ isLeader: true, onlineNodes: 1, plannedSlots: { x: 1, y: 1 } });
    expect((await node.getMetrics()).length).toBe(7);
  }
  expect(ran.map(String).toSorted()).toEqual([...Array(100).keys(), "lost"].map(String).toSorted());
  expect(await fleet.queue.getStats()).toMatchObject({ completedJobs: 101, reservedJobs: 0, delayedJobs: 0 });
});

test("two leaders at once prune as one: as many completed jobs stay as may", async () => {
  const fleet = newFleet();
  const queue = memoryQueue({ clock: fleet.clock, logger: silentLogger, keepCompleted: { count: 5 } });
  const ran: unknown[] = [];
  const handler = (job: { payload: unknown }): void => void ran.push(job.payload);
  for (const name of ["one", "two"])
    await fleet.settled(fleet.make(fleet.cluster("a", { name }), { queue, handler }).start());
  for (let n = 0; n < 60; n += 1) await queue.push(createJob(n, { delay: n * 1_000 }));
  await fleet.clock.advance("3m");
  expect(ran.toSorted((a, b) => Number(a) - Number(b))).toEqual([...Array(60).keys()]);
  const { jobs } = await queue.records.list({ state: "completed" });
  expect(new Set(jobs.map(({ payload }) => payload))).toEqual(new Set([55, 56, 57, 58, 59]));
  expect(await queue.getStats()).toMatchObject({ completedJobs: 60, pendingJobs: 0, reservedJobs: 0 });
  await fleet.stop();
  await queue.close();
});

test("upkeep is done by others too when the leader's way to the jobs is broken", async () => {
  const fleet = newFleet();
  let done = 0;
  const make = (maintain: () => Promise<never> | undefined): Queue => {
    const driver = memoryDriver();
    const original = driver.maintain.bind(driver);
    driver.maintain = (options) => maintain() ?? original(options);
    return new Queue(driver, { clock: fleet.clock, logger: silentLogger });
  };
  const broken = make(() => Promise.reject(new Error("no way")));
  const sound = make(() => void (done += 1));
  const leader = await fleet.started("a", { queue: broken });
  await fleet.started("b", { queue: sound });
  await fleet.clock.advance("8m");
  expect((await leader.getDistributedStats()).isLeader).toBe(true);
  expect(done).toBe(1);
  await fleet.stop();
  await broken.close();
  await sound.close();
});

describe("the metrics", () => {
  const times = (samples: readonly { at: number }[]): readonly number[] =>
    samples.map(({ at }) => Math.floor(at / 30_000));

  test("have one sample an interval, for all nodes, and go on over a fail-over", async () => {
    const fleet = newFleet();
    const options = { queues: ["x", "y"], handler: () => undefined };
    const a = await fleet.started("a", options);
    const b = await fleet.started("b", options);
    await fleet.queue.push(createJob(1, { queue: "y", delay: "1h" }));
    await fleet.clock.advance("2m");
    const before = await b.getMetrics();
    expect(before.length).toBe(5);
    expect(before.at(-1)).toMatchObject({
      leaderId: "a",
      onlineNodes: 2,
      queues: { x: { delayedJobs: 0 }, y: { delayedJobs: 1 } },
    });
    expect(await a.getMetrics()).toEqual(before);
    await fleet.settled(a.stop());
    await fleet.clock.advance("1m");
    const after = await b.getMetrics();
    expect(after.slice(0, 5)).toEqual(before);
    expect(after.at(-1)).toMatchObject({ leaderId: "b", onlineNodes: 1 });
    expect(new Set(times(after)).size, "each interval once").toBe(after.length);
    expect(times(after).at(-1)! - times(after)[0]! + 1, "and none left out").toBe(after.length);
  });

  test("of two leaders at once have each interval once, and what the deposed one writes is refused", async () => {
    const fleet = newFleet();
    const [a, b] = [fleet.cluster("a"), fleet.cluster("b")];
    await a.start();
    await b.start();
    const old = await (await a.elect()).elected();
    const next = await b.elect();
    await a.resign();
    const current = await fleet.settled(next.elected());
    const everyMs = 1_000;
    const of = (cluster: Cluster): Metrics =>
      new Metrics({ cluster, board: insideOf(cluster).board, queue: fleet.queue, clock: fleet.clock, everyMs });
    for (let n = 0; n < 5; n += 1) {
      await Promise.all([of(a).snapshot(old), of(b).snapshot(current), of(b).snapshot(current)]);
      await fleet.clock.advance(everyMs);
    }
    const samples = await of(a).read();
    expect(samples.map(({ leaderId }) => leaderId)).toEqual(["b", "b", "b", "b", "b"]);
    await a.stop();
    await b.stop();
  });

  test("stay within their room, the newest of them", async () => {
    const fleet = newFleet();
    const queues = Array.from({ length: 60 }, (_, n) => `queue-${n}-${"x".repeat(60)}`);
    const node = await fleet.started("a", { queues, metricsInterval: "1s" });
    await fleet.clock.advance("150s");
    const samples = await node.getMetrics();
    expect(samples.length).toBeGreaterThan(5);
    expect(samples.length).toBeLessThan(40);
    expect(samples.at(-1)!.at).toBeGreaterThan(fleet.clock.now() - 2_000);
    expect(samples.at(-1)!.at - samples[0]!.at).toBe((samples.length - 1) * 1_000);
  });

  test("are refused before the start", async () => {
    const fleet = newFleet();
    expect((await failure(fleet.make(fleet.cluster("a")).getMetrics())).code).toBe("NOT_OPEN");
  });
});

describe("a cluster that was started by the program", () => {
  test("stays a candidate when the program made it one, without the duties", async () => {
    const fleet = newFleet();
    const cluster = fleet.cluster("a", { electionTimeout: TTL });
    await cluster.start();
    const election = await cluster.elect();
    const { queue } = fleet;
    const node = new DistributedQueue({ cluster, queue, handler: () => undefined });
    await fleet.settled(node.start());
    await fleet.clock.advance(2_000);
    const { plannedSlots } = await node.getDistributedStats();
    expect(Object.keys(plannedSlots ?? {})).toEqual(["default"]);
    await fleet.settled(node.stop());
    expect([election.isLeader, cluster.isLeader]).toEqual([true, true]);
    await cluster.stop();
  });

  test("is no candidate any more when a start fails or it stops", async () => {
    const fleet = newFleet();
    const cluster = fleet.cluster("a", { electionTimeout: TTL });
    await cluster.start();
    const module = new URL("file:///nowhere/at-all.ts");
    const node = new DistributedQueue({ cluster, queue: fleet.queue, handler: module, isolation: "threads" });
    expect((await fleet.settled(failure(node.start()))).code).toBe("MODULE_INVALID");
    expect(insideOf(cluster).isCandidate).toBe(false);
    await fleet.clock.advance(1_000);
    expect(cluster.leader).toBeUndefined();
    await cluster.stop();
  });

  test("is left running by stop", async () => {
    const fleet = newFleet();
    const cluster = fleet.cluster("a", { electionTimeout: TTL });
    await cluster.start();
    const { queue } = fleet;
    const node = new DistributedQueue({ cluster, queue, handler: () => undefined });
    await fleet.settled(node.start());
    await fleet.settled(node.stop());
    expect(cluster.isJoined).toBe(true);
    await cluster.stop();
  });

  test("takes no other times", async () => {
    const fleet = newFleet();
    const cluster = fleet.cluster("a");
    await cluster.start();
    const make = (): unknown =>
      new DistributedQueue({ cluster, queue: fleet.queue, handler: () => undefined, electionTimeout: "9s" });
    expect(make).toThrow(/electionTimeout cannot change/);
    await cluster.stop();
  });
});

test("a start that fails leaves nothing, and says why", async () => {
  const fleet = newFleet();
  await fleet.started("same");
  const twin = fleet.make(fleet.cluster("same", { joinTimeout: 100 }));
  expect((await fleet.settled(failure(twin.start()))).code).toBe("NODE_ID_TAKEN");
  expect(twin.getWorkerPool().getStats().status).toBe("idle");
  await twin.stop();
  expect((await failure(twin.start())).code).toBe("CLOSED");
});

describe("bad options are refused at construction", () => {
  const make = (options: object): (() => unknown) => {
    return () =>
      new DistributedQueue({
        cluster: memoryCluster({ nodeId: "a" }),
        handler: () => undefined,
        ...options,
      } as DistributedQueueOptions);
  };
  test.each([
    [{ workerCount: 0 }, /workerCount is 0/],
    [{ workerCount: 4, maxConcurrency: 3 }, /maxConcurrency is 3, below workerCount 4/],
    [{ enableLeaderElection: "yes" }, /enableLeaderElection/],
    [{ metricsInterval: 10 }, /metricsInterval/],
    [{ strategy: "fair" }, /balanced, weighted, auto/],
    [{ nodeId: "b" }, /nodeId/],
    [{ electionTimeout: 3_000, heartbeatInterval: 1_000 }, /below a third/],
    [{ electionTimeout: 1 }, /electionTimeout/],
    [{ queues: [] }, /queues/],
    [{ queues: { x: 0 } }, /queues/],
    [{ handlers: [] }, /Did you mean "handler"/],
    [{ worker: { concurency: 5 } }, /worker has no option "concurency"\. Did you mean "concurrency"/],
    [{ worker: 5 }, /worker options/],
    [{ worker: { workers: 3 } }, /worker takes no workers: .* option workerCount/],
    [{ worker: { concurrency: 3 } }, /worker takes no concurrency: .* option maxConcurrency/],
    [{ worker: { isolation: "threads" } }, /worker takes no isolation/],
    [{ worker: { onFailed: null } }, /worker takes no onFailed/],
    [{ cluster: new Cluster(memoryCoordinationStore(), { nodeId: "a" }) }, /queue is missing/],
  ])("%j", (options, message) => {
    expect(make(options)).toThrow(message);
  });

  test("maxConcurrency is divided among the workers", async () => {
    const fleet = newFleet();
    const node = await fleet.started("a", { workerCount: 2, maxConcurrency: 7 });
    expect((await node.getClusterNodes())[0]?.load).toBeNull();
    await fleet.clock.advance(600);
    expect((await node.getClusterNodes())[0]?.load).toEqual({ slots: 6, queues: ["default"] });
  });
});

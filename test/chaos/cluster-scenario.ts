/** A cluster of nodes that run jobs, whose leader, nodes and store are killed, stopped and cut off; from the first push to the verdict. */
import { mkdtempSync, rmSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { startServer } from "../../scripts/servers/start-server.ts";
import type { RunningServer } from "../../scripts/servers/server.ts";
import { Queue } from "../../src/entry/index.ts";
import { silentLogger } from "../../src/runtime/index.ts";
import { check } from "./checker.ts";
import type { Bounds } from "./finding.ts";
import { ClusterFleet, type Ground } from "./cluster-fleet.ts";
import { judgeElections, judgeRegister, type Election } from "./cluster-judge.ts";
import { Fleet } from "./fleet.ts";
import { historyOf } from "./history.ts";
import type { Place } from "../process/cluster/place.ts";
import { WELL_BEHAVED } from "./job-plan.ts";
import { leaseActivity } from "./lease-activity.ts";
import { LogWriter, machineMs, readLogs } from "./log.ts";
import { contentsOf, drained, type Outcome } from "./scenario.ts";
import { clusterGroup, type Group, sentinelGroup } from "./redis-groups.ts";
import { driverFor, WITH_REPLICAS } from "./targets.ts";
import { isVoted, leaderOf } from "./voted-servers.ts";

export const CLUSTER_STORES = [
  "sqlite",
  "postgres",
  "redis",
  "redis-sentinel",
  "redis-cluster",
  "etcd",
  "consul",
  "zookeeper",
] as const;
export type ClusterStore = (typeof CLUSTER_STORES)[number];

export const FAULTS = [
  "killLeader",
  "freezeLeader",
  "partLeader",
  "retireLeader",
  "killFollower",
  "partFollower",
  "killStore",
  "freezeStore",
  "partStore",
  "loneStore",
  "rollingRestart",
] as const;
export type Fault = (typeof FAULTS)[number];

export type ClusterRun = Readonly<{
  store: ClusterStore;
  nodes: number;
  ttlMs: number;
  /** One after the other. */
  faults: readonly Fault[];
  /** Again and again until so much time has passed. Default: once. */
  seconds?: number;
}>;

const LEASE_MS = 3_000;
const CONCURRENCY = 5;
const SETTLE_MS = 500;
/** How long anybody waits for an election that may never come. */
const PATIENCE = 10;

/** Groups of servers of which one takes over. What the cluster writes waits for the only replica, so a fail-over forgets nothing of it; claims and ends of jobs do not wait. */
const GROUPS = { "redis-sentinel": sentinelGroup, "redis-cluster": clusterGroup } as const;
const groupOf = (store: ClusterStore): Group | undefined =>
  store in GROUPS ? GROUPS[store as keyof typeof GROUPS] : undefined;

export async function runCluster(run: ClusterRun): Promise<Outcome> {
  const startedAt = performance.now();
  const folder = mkdtempSync(join(tmpdir(), "jobferry-cluster-chaos-"));
  const register = join(folder, "register.db");
  makeRegister(register);
  const log = new LogWriter(folder, "conductor");
  const group = groupOf(run.store);
  const server = await serverOf(run.store);
  const ground = groundOf(run.store, folder, server);
  const directUrl = ground.urlBy(ground.servers.map(({ port }) => port));
  const queue = await new Queue(await driverFor(directUrl), { logger: silentLogger, keepCompleted: true }).open();
  const place = { folder, keepsCompleted: true };
  const nodes = new ClusterFleet(
    ground,
    { ...place, register, ttlMs: run.ttlMs, leaseMs: LEASE_MS, concurrency: CONCURRENCY },
    log,
  );
  const producers = new Fleet({
    ...{ part: "producer", size: 1, log, replace: true },
    settings: {
      ...{ ...place, url: directUrl, mix: WELL_BEHAVED, delays: true, maxLosses: 20 },
      ...{ burst: 8, pauseMs: 200, most: Number.MAX_SAFE_INTEGER },
    },
  });
  const elections: Election[] = [];
  const problems: string[] = [];
  try {
    await nodes.start();
    await nodes.elected(0, PATIENCE * run.ttlMs);
    await Promise.all([producers.start(), ...Array.from({ length: run.nodes - 1 }, () => nodes.start())]);
    const end = performance.now() + (run.seconds ?? 0) * 1_000;
    do {
      for (const fault of run.faults) elections.push(...(await inflict(fault, run, nodes, server, log)));
    } while (performance.now() < end);
    await producers.stop();
    if (!(await drained(queue, { drainSeconds: 90 }, 1, leaseActivity(folder))))
      problems.push("jobs were left after the drain");
  } catch (error) {
    problems.push(String(error));
  } finally {
    await Promise.all([nodes.stop(), producers.stop()]);
  }
  const contents = await contentsOf(queue);
  await queue.close();
  log.close();
  await server?.remove();
  const bounds: Bounds = {
    ...{ unasked: 0, workers: run.nodes, healthyLosses: 2 * run.nodes, takeBackMs: 20_000 },
    ...{ resumeMs: 10_000, leaseEnds: "deadline", falseLosses: 0 },
    ...{ forgets: group !== undefined, twicePerFault: group === undefined ? 0 : 60 },
    atomicBatch: queue.capabilities.batch.atomic,
  };
  const lines = readLogs(folder);
  const jobs = check(lines, contents, bounds);
  const led = judgeRegister(register, nodes.heard);
  const blamed = [
    ...jobs.violations,
    ...led.violations,
    ...judgeElections(elections, run.ttlMs, historyOf(lines).stalls),
  ];
  const finding = {
    violations: blamed,
    counts: { ...jobs.counts, ...led.counts, ...timesOf(elections) },
    apart: jobs.apart,
  };
  problems.push(...nodes.problems, ...producers.problems);
  if (finding.violations.length + problems.length === 0) rmSync(folder, { recursive: true, force: true });
  const name = `${run.store}: a cluster of ${run.nodes}`;
  return { ...finding, name, problems, folder, seconds: (performance.now() - startedAt) / 1_000 };
}

/** Does it, waits until the cluster is whole again, and tells how long it had no leader. */
async function inflict(
  fault: Fault,
  { ttlMs, nodes: size, store }: ClusterRun,
  nodes: ClusterFleet,
  server: RunningServer | undefined,
  log: LogWriter,
): Promise<readonly Election[]> {
  const { leader, follower } = nodes;
  if (leader === undefined || follower === undefined)
    return [{ fault, from: machineMs(), ms: Infinity, boundMs: 0, without: "" }];
  const next = async (from: number, boundMs: number): Promise<Election> => {
    const at = await nodes.elected(from, PATIENCE * ttlMs);
    return { fault, from, ms: at === undefined ? Infinity : at - from, boundMs, without: leader };
  };
  const whole = async (): Promise<void> => {
    while (nodes.names.length < size) await nodes.start();
    await pause(SETTLE_MS);
  };
  // Consul ends a session after twice its time to live.
  const crashMs = (store === "consul" ? 2.5 : 1.5) * ttlMs;
  const found: Election[] = [];
  switch (fault) {
    case "killLeader": {
      const at = machineMs();
      await nodes.kill(leader);
      found.push(await next(at, crashMs));
      break;
    }
    case "freezeLeader": {
      const at = machineMs();
      const wake = nodes.freeze(leader);
      found.push(await next(at, crashMs));
      await pause(ttlMs / 2);
      wake();
      break;
    }
    case "partLeader": {
      if (!nodes.canPart) return [];
      const at = machineMs();
      const heal = nodes.part(leader);
      found.push(await next(at, crashMs));
      await pause(ttlMs / 2);
      await heal();
      break;
    }
    case "retireLeader":
      found.push(await next(await nodes.retire(leader), 100));
      break;
    case "killFollower":
      await nodes.kill(follower);
      break;
    case "partFollower": {
      if (!nodes.canPart) return [];
      const heal = nodes.part(follower);
      await pause(1.5 * ttlMs);
      await heal();
      break;
    }
    case "killStore": {
      if (server === undefined) return [];
      if (isVoted(store)) {
        const first = await leaderOf(store, server);
        await first.kill();
        await pause(2 * ttlMs);
        await first.restart();
        break;
      }
      log.write({ type: "away", why: "killed" });
      await restarted(server, groupOf(store), ttlMs / 4);
      log.write({ type: "back", why: "killed" });
      await pause(2 * ttlMs);
      break;
    }
    case "freezeStore": {
      if (server === undefined || !isVoted(store)) return [];
      const first = await leaderOf(store, server);
      await first.pause();
      await pause(3 * ttlMs);
      await first.resume();
      await pause(2 * ttlMs);
      break;
    }
    // Its leader serves on and has no majority: who is connected to it must not believe it.
    case "loneStore": {
      if (server === undefined || store !== "zookeeper") return [];
      const first = await leaderOf(store, server);
      const others = server.nodes.filter((node) => node !== first);
      await Promise.all(others.map((node) => node.pause()));
      await pause(3 * ttlMs);
      await Promise.all(others.map((node) => node.resume()));
      await pause(2 * ttlMs);
      break;
    }
    case "partStore": {
      if (server === undefined || !isVoted(store)) return [];
      const heal = nodes.partServer(server.nodes.indexOf(await leaderOf(store, server)));
      await pause(2 * ttlMs);
      await heal();
      await pause(2 * ttlMs);
      break;
    }
    case "rollingRestart":
      for (const name of nodes.names) {
        const isLeader = name === nodes.leader;
        const left = await nodes.retire(name);
        if (isLeader) found.push({ ...(await next(left, 100)), without: name });
        await nodes.start();
      }
      break;
  }
  await whole();
  return found;
}

/** Killed and there again; of a group the primary, whose place another one takes. */
async function restarted(server: RunningServer, group: Group | undefined, downMs: number): Promise<void> {
  if (group !== undefined) return group.failOver(server);
  await server.kill();
  await pause(downMs);
  await server.restart();
}

async function serverOf(store: ClusterStore): Promise<RunningServer | undefined> {
  if (store === "sqlite") return undefined;
  const args = groupOf(store) === undefined ? {} : { args: WITH_REPLICAS };
  // What SIGKILL leaves in the system's cache is enough for it, and a busy disk does not hold up each write of three nodes.
  if (store === "etcd") return startServer("etcd-cluster");
  return startServer(isVoted(store) ? `${store}-cluster` : store, { durable: true, ...args });
}

function groundOf(store: ClusterStore, folder: string, server: RunningServer | undefined): Ground {
  const path = join(folder, "jobs.db");
  const inFile = (): string => `sqlite:${path}`;
  if (server === undefined) return { servers: [], placeBy: () => ({ kind: "sqlite", path }), urlBy: inFile };
  if (isVoted(store)) {
    // It keeps no jobs: these lie in a file.
    const servers = server.nodes.map(({ port }) => ({ host: server.host, port }));
    const placeBy = (ports: readonly number[]): Place => {
      const address = ports.map((port) => `${server.host}:${port}`).join(",");
      if (store === "etcd") return { kind: "etcd", url: `etcd://${address}`, prefix: "jobferry" };
      return store === "consul"
        ? { kind: "consul", address, prefix: "jobferry" }
        : { kind: "zookeeper", servers: address, root: "/jobferry" };
    };
    return { servers, placeBy, urlBy: inFile };
  }
  const urlBy = ([port]: readonly number[]): string =>
    port === undefined ? server.url : server.url.replace(`:${server.port}`, `:${port}`);
  const isAlone = store === "postgres" || store === "redis";
  return {
    servers: isAlone ? [{ host: server.host, port: server.port }] : [],
    placeBy: (ports) =>
      store === "postgres"
        ? { kind: "postgres", url: urlBy(ports), schema: "jobferry" }
        : { kind: "redis", url: urlBy(ports), prefix: "jobferry", replicas: isAlone ? 0 : 1 },
    urlBy,
  };
}

function makeRegister(file: string): void {
  const database = new DatabaseSync(file);
  database.exec("PRAGMA journal_mode = WAL");
  database.exec("CREATE TABLE register (id INTEGER PRIMARY KEY, term INTEGER NOT NULL)");
  database.exec(
    "CREATE TABLE writes (n INTEGER PRIMARY KEY, at REAL, term INTEGER, node TEXT, accepted INTEGER, believed INTEGER)",
  );
  database.exec("INSERT INTO register VALUES (1, 0)");
  database.close();
}

function timesOf(elections: readonly Election[]): Readonly<Record<string, number>> {
  const times: Record<string, number> = {};
  for (const { fault, ms } of elections) {
    const what = `ms without a leader: ${fault}, at most`;
    times[what] = Math.max(times[what] ?? 0, Math.round(ms));
  }
  return times;
}

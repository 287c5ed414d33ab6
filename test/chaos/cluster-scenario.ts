/** A cluster of nodes that run jobs, whose leader, nodes and store are killed, stopped and cut off; from the first push to the verdict. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { canHaveHosts, startHosts } from "../../scripts/servers/hosts.ts";
import { Queue } from "../../src/entry/index.ts";
import { silentLogger, systemClock } from "../../src/runtime/index.ts";
import { check } from "./checker.ts";
import type { Bounds } from "./finding.ts";
import { type Fault, hasFault, inflict } from "./cluster-faults.ts";
import { ClusterFleet } from "./cluster-fleet.ts";
import { judgeHandOvers, judgeRegister, judgeWaits, type Wait } from "./cluster-judge.ts";
import { makeRegister } from "./cluster-register.ts";
import { leaseMsOn, patienceMs } from "./cluster-stage.ts";
import { type ClusterStore, groundOf, groupOf, serverOf } from "./cluster-stores.ts";
import { Fleet } from "./fleet.ts";
import { historyOf } from "./history.ts";
import { WELL_BEHAVED } from "./job-plan.ts";
import { leaseActivity } from "./lease-activity.ts";
import { LogWriter, readLogs } from "./log.ts";
import { contentsOf, drained, type Outcome } from "./scenario.ts";
import { SESSION_OF_KEYS } from "./scenarios.ts";
import { driverFor } from "./targets.ts";
import { isVoted } from "./voted-servers.ts";

export type ClusterRun = Readonly<{
  store: ClusterStore;
  nodes: number;
  ttlMs: number;
  /** One after the other; what the store does not have is left out. */
  faults: readonly Fault[];
  /** Again and again until so much time has passed. Default: once. */
  seconds?: number;
}>;

export type ClusterOutcome = Outcome & Readonly<{ leftOut: readonly Fault[] }>;

const CONCURRENCY = 5;

export async function runCluster(run: ClusterRun): Promise<ClusterOutcome> {
  const canSplit = await canHaveHosts();
  const faults = run.faults.filter((fault) => hasFault(run.store, fault) && (fault !== "splitStore" || canSplit));
  const leftOut = run.faults.filter((fault) => !faults.includes(fault));
  if (faults.length === 0) throw new Error(`${run.store} has none of these faults: ${leftOut.join(", ")}.`);
  const startedAt = performance.now();
  const folder = mkdtempSync(join(tmpdir(), "jobferry-cluster-chaos-"));
  const register = join(folder, "register.db");
  makeRegister(register);
  const log = new LogWriter(folder, "conductor");
  const group = groupOf(run.store);
  const hosts = faults.includes("splitStore") ? await startHosts(3) : undefined;
  const server = await serverOf(run.store, hosts);
  const ground = groundOf(run.store, folder, server);
  const directUrl = ground.urlBy(ground.servers.map(({ port }) => port));
  const driver = await driverFor(directUrl);
  const queue = await new Queue(driver, { logger: silentLogger, keepCompleted: true }).open();
  const pace = driver.coordination;
  if (pace === undefined) throw new Error(`${run.store} keeps no clusters.`);
  await pace.open({ clock: systemClock });
  const place = { folder, keepsCompleted: true, sessionTtl: isVoted(run.store) ? SESSION_OF_KEYS : undefined };
  const nodes = new ClusterFleet(
    ground,
    { ...place, register, ttlMs: run.ttlMs, leaseMs: leaseMsOn(run.store), concurrency: CONCURRENCY },
    log,
  );
  const producers = new Fleet({
    ...{ part: "producer", size: 1, log, replace: true },
    settings: {
      ...{ ...place, url: directUrl, mix: WELL_BEHAVED, delays: true, maxLosses: 20 },
      ...{ burst: 8, pauseMs: 200, most: Number.MAX_SAFE_INTEGER },
    },
  });
  // No claim of nothing: SQLite answers that without a transaction.
  const write = (): Promise<unknown> => pace.transact([], [{ put: "pace/of/writes", value: new Uint8Array() }]);
  const stage = { store: run.store, ttlMs: run.ttlMs, size: run.nodes, nodes, server, hosts, register, log, write };
  const done: Fault[] = [];
  const waits: Wait[] = [];
  const problems: string[] = [];
  try {
    await nodes.start();
    await nodes.elected(0, patienceMs(run));
    await Promise.all([producers.start(), ...Array.from({ length: run.nodes - 1 }, () => nodes.start())]);
    const end = performance.now() + (run.seconds ?? 0) * 1_000;
    do {
      for (const fault of faults) {
        done.push(fault);
        waits.push(...(await inflict(fault, stage)));
      }
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
  await pace.close();
  await queue.close();
  log.close();
  await server?.remove();
  await hosts?.[Symbol.asyncDispose]();
  const bounds: Bounds = {
    ...{ unasked: 0, workers: run.nodes, healthyLosses: 2 * run.nodes, takeBackMs: 20_000 },
    ...{ resumeMs: 10_000, leaseEnds: "deadline", falseLosses: 0 },
    ...{ forgets: group !== undefined, twicePerFault: group === undefined ? 0 : 60 },
    atomicBatch: queue.capabilities.batch.atomic,
  };
  const lines = readLogs(folder);
  const jobs = check(lines, contents, bounds);
  const led = judgeRegister(register, nodes.heard);
  const { stalls } = historyOf(lines);
  const late = [...judgeWaits(waits, run.ttlMs, stalls), ...judgeHandOvers(waits, stalls)];
  const blamed = [...jobs.violations, ...led.violations, ...late];
  const finding = {
    violations: blamed,
    counts: { ...jobs.counts, ...led.counts, ...numbersOf(done), ...timesOf(waits) },
    apart: jobs.apart,
  };
  problems.push(...nodes.problems, ...producers.problems);
  if (finding.violations.length + problems.length === 0) rmSync(folder, { recursive: true, force: true });
  const without = leftOut.length === 0 ? "" : `, without ${leftOut.join(", ")}`;
  const name = `${run.store}: a cluster of ${run.nodes}${without}`;
  return { ...finding, name, leftOut, problems, folder, seconds: (performance.now() - startedAt) / 1_000 };
}

function numbersOf(done: readonly Fault[]): Readonly<Record<string, number>> {
  return Object.fromEntries(done.map((fault) => [`faults: ${fault}`, done.filter((one) => one === fault).length]));
}

function timesOf(waits: readonly Wait[]): Readonly<Record<string, number>> {
  const times: Record<string, number> = {};
  for (const { fault, what, ms } of waits) {
    const row = `ms to ${what} after ${fault}, at most`;
    times[row] = Math.max(times[row] ?? 0, Math.round(ms));
  }
  return times;
}

/** Runs one scenario from the first push to the verdict. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { Queue } from "../../src/entry/index.ts";
import { silentLogger } from "../../src/runtime/index.ts";
import { type Bounds, check, type Contents, type Finding, type Remains } from "./checker.ts";
import { clockFor } from "./child.ts";
import { Fleet } from "./fleet.ts";
import { fingerprint, type Mix } from "./job-plan.ts";
import { LogWriter, readLogs } from "./log.ts";
import { createSharedClock, setSharedClock } from "./shared-clock.ts";
import { driverFor, urlFor } from "./targets.ts";

export type Scenario = Readonly<{
  name: string;
  /** How long jobs are pushed and faults happen. */
  seconds: number;
  producers: number;
  workers: number;
  leaseMs: number;
  concurrency: number;
  mix: Mix;
  delays: boolean;
  maxLosses: number;
  burst: number;
  pauseMs: number;
  /** Of one producer. */
  most?: number;
  /** Runs until `stage.signal` fires. */
  faults: (stage: Stage) => Promise<void>;
  clockSteps?: boolean;
  /** Workers may die by themselves. */
  poison?: boolean;
  /** Of the workers' Node.js. */
  nodeOptions?: readonly string[];
  healthyLosses: number;
  drainSeconds?: number;
  wrong?: string;
}>;

export type Stage = Readonly<{
  workers: Fleet;
  producers: Fleet;
  leaseMs: number;
  signal: AbortSignal;
  setWallClock: (offsetMs: number) => void;
}>;

/** `problems`: what went wrong beside the store's promises: a process that did not end, a drain that did not. */
export type Outcome = Finding &
  Readonly<{ name: string; problems: readonly string[]; seconds: number; folder: string }>;

const DRAIN_SECONDS = 60;
const LOOK_MS = 100;
/** Generous, because a job that comes back stands behind those that are ready: it finds jobs that nobody looks for. */
const TAKE_BACK_MS = 15_000;

/** The folder with logs and store is removed unless something was found. */
export async function runScenario(scenario: Scenario, scheme: string): Promise<Outcome> {
  const startedAt = performance.now();
  const folder = mkdtempSync(join(tmpdir(), "jobferry-chaos-"));
  const log = new LogWriter(folder, "conductor");
  const url = urlFor(scheme, folder);
  const clockFile = scenario.clockSteps === true ? join(folder, "wall-clock") : undefined;
  if (clockFile !== undefined) createSharedClock(clockFile);
  const queue = await new Queue(driverFor(url), { clock: clockFor({ clockFile }), logger: silentLogger }).open();
  const { workers, producers } = fleets(scenario, { url, folder, clockFile, wrong: scenario.wrong }, log);
  const problems: string[] = [];
  let contents: Contents;
  try {
    await Promise.all([workers.start(), producers.start()]);
    await act(scenario, { workers, producers, leaseMs: scenario.leaseMs }, clockFile, log);
    if (!(await drained(queue, scenario.drainSeconds ?? DRAIN_SECONDS)))
      problems.push("jobs were left after the drain");
  } finally {
    await Promise.all([workers.stop(), producers.stop()]);
    contents = await contentsOf(queue);
    await queue.close();
    log.close();
  }
  const { batch } = queue.capabilities;
  const bounds: Bounds = {
    perClaim: 2 * scenario.concurrency,
    healthyLosses: scenario.healthyLosses,
    takeBackMs: TAKE_BACK_MS,
    atomicBatch: batch.atomic,
  };
  const finding = check(readLogs(folder), contents, bounds);
  problems.push(...workers.problems, ...producers.problems);
  if (finding.violations.length + problems.length === 0) rmSync(folder, { recursive: true, force: true });
  return { ...finding, name: scenario.name, problems, folder, seconds: (performance.now() - startedAt) / 1_000 };
}

type Place = Readonly<{ url: string; folder: string; clockFile: string | undefined; wrong: string | undefined }>;

function fleets(scenario: Scenario, settings: Place, log: LogWriter): Pick<Stage, "workers" | "producers"> {
  const { leaseMs, concurrency, mix, delays, maxLosses, burst, pauseMs, most = Infinity, poison = false } = scenario;
  const workers = new Fleet({
    ...{ part: "worker", size: scenario.workers, log, replace: true, mayDie: poison },
    settings: { ...settings, leaseMs, concurrency },
    nodeOptions: scenario.nodeOptions ?? [],
  });
  const producers = new Fleet({
    ...{ part: "producer", size: scenario.producers, log, replace: most === Infinity },
    settings: { ...settings, mix, delays, maxLosses, burst, pauseMs, most: Math.min(most, Number.MAX_SAFE_INTEGER) },
  });
  return { workers, producers };
}

async function act(
  { seconds, faults, most }: Scenario,
  stage: Pick<Stage, "workers" | "producers" | "leaseMs">,
  clockFile: string | undefined,
  log: LogWriter,
): Promise<void> {
  const { producers } = stage;
  const signal = AbortSignal.timeout(seconds * 1_000);
  let highest = 0;
  const setWallClock = (offsetMs: number): void => {
    highest = Math.max(highest, offsetMs);
    if (clockFile !== undefined) setSharedClock(clockFile, offsetMs, log);
  };
  const pushing = most === undefined ? pause(seconds * 1_000).then(() => producers.stop()) : producers.finished();
  await Promise.all([faults({ ...stage, signal, setWallClock }), pushing]);
  // Jobs that were delayed while the clock was ahead are due when it is there again.
  if (clockFile !== undefined) setWallClock(highest);
}

/** Calls `fault` every `ms` until the signal fires. */
export async function every(ms: number, signal: AbortSignal, fault: () => unknown): Promise<void> {
  for (;;) {
    await pause(ms, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return;
    await fault();
  }
}

async function drained(queue: Queue, seconds: number): Promise<boolean> {
  const end = performance.now() + seconds * 1_000;
  let emptyLooks = 0;
  while (performance.now() < end) {
    const { pendingJobs, delayedJobs, reservedJobs } = await queue.getStats();
    emptyLooks = [pendingJobs, delayedJobs, reservedJobs].every((count) => count === 0) ? emptyLooks + 1 : 0;
    if (emptyLooks === 2) return true;
    await pause(LOOK_MS);
  }
  return false;
}

async function contentsOf(queue: Queue): Promise<Contents> {
  const jobs = new Map<string, Remains>();
  let cursor: string | undefined;
  do {
    const page = await queue.records.list({}, { limit: 500, cursor });
    for (const job of page.jobs) {
      const { state, attempts, losses, failure } = job;
      jobs.set(job.id, { state, attempts, losses, code: failure?.code, sha: fingerprint(job) });
    }
    cursor = page.cursor;
  } while (cursor !== undefined);
  const { pendingJobs, delayedJobs, reservedJobs, failedJobs, completedJobs } = await queue.getStats();
  // NaN equals nothing: a count that the backend cannot tell fails the check.
  const counted = (count = Number.NaN): number => count;
  const stats = {
    pending: counted(pendingJobs),
    delayed: counted(delayedJobs),
    reserved: counted(reservedJobs),
    failed: counted(failedJobs),
    completed: counted(completedJobs),
  };
  return { jobs, stats };
}

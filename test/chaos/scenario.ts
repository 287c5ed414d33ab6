/** Runs one scenario from the first push to the verdict. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { isJobferryError, Queue } from "../../src/entry/index.ts";
import { type Duration, silentLogger } from "../../src/runtime/index.ts";
import { check } from "./checker.ts";
import type { Bounds, Contents, Finding, Remains } from "./finding.ts";
import { clockFor, type Settings } from "./child.ts";
import { Fleet } from "./fleet.ts";
import { fingerprint, type Mix, QUEUES } from "./job-plan.ts";
import { leaseActivity } from "./lease-activity.ts";
import { LogWriter, readLogs } from "./log.ts";
import { createSharedClock, setSharedClock } from "./shared-clock.ts";
import type { ChaosServer } from "./server-store.ts";
import { watchSize } from "./store-size.ts";
import { loggedFaults, NO_SERVER, type Store, type StoreFaults } from "./store.ts";
import { driverFor, openStore } from "./targets.ts";

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
  /** Whether completed jobs stay, so that a push that is repeated after the job's completion finds its id. Only then it cannot run twice. */
  keepsCompleted?: boolean;
  /** Workers may die by themselves. */
  poison?: boolean;
  /** The lines between the servers are cut: each has a host of its own. */
  hasHosts?: boolean;
  /** Instead of workers, processes that pop so many at once from one queue and complete them. */
  popBatch?: number;
  sessionTtl?: Duration;
  /** Of the workers' Node.js. */
  nodeOptions?: readonly string[];
  healthyLosses: number;
  drainSeconds?: number;
  /** How long jobs can be where nobody counts them, on a store that cannot tell all. */
  unseenSeconds?: number;
  wrong?: string;
}>;

export type Stage = Readonly<{
  workers: Fleet;
  producers: Fleet;
  leaseMs: number;
  signal: AbortSignal;
  setWallClock: (offsetMs: number) => void;
  /** @throws where the store has no server. */
  store: StoreFaults;
}>;

/** `problems`: what went wrong beside the store's promises: a process that did not end, a drain that did not. */
export type Outcome = Finding &
  Readonly<{ name: string; problems: readonly string[]; seconds: number; folder: string }>;

const DRAIN_SECONDS = 60;
const LOOK_MS = 100;
const PATIENCE_MS = 30_000;
/** Where nobody can tell what is reserved, nothing must wait for longer than any handler, and the release behind it, takes: on a slow machine that is longer too. */
const BLIND_SECONDS = 4;
/** Beyond the longest wait of a pushed job, behind which one that comes back stands: it finds jobs that nobody looks for. */
const TAKE_BACK_MS = 15_000;
/** The guides' promise: workers go on by themselves within 5 s of the server's return. */
const RESUME_MS = 5_000;
/** Processes start faster than this; where they do not the machine is busy with other things, and times are stretched as much. */
const START_MS = 4_000;
const MOST_SLOW = 5;
/** Ends and copies under way when a broker or a worker is killed: up to 16 jobs were seen at four kills of a server. */
const TWICE_PER_FAULT = 30;
/** Claims and ends that a fail-over forgets: a batch of each of three workers. */
const FORGOTTEN_PER_FAULT = 60;
/** A message that meets the cancel of a pull which others left short (docs/adr/0091). */
const FALSE_LOSSES = 0.05;

/** The folder with logs and store is removed unless something was found. `running`: the server of the runs before it. */
export async function runScenario(scenario: Scenario, scheme: string, running?: ChaosServer): Promise<Outcome> {
  const startedAt = performance.now();
  const folder = mkdtempSync(join(tmpdir(), "jobferry-chaos-"));
  const log = new LogWriter(folder, "conductor");
  const store = await openStore(scheme, folder, running, scenario.hasHosts);
  await store.prepare?.().catch(async (error: unknown) => {
    await store.close();
    throw error;
  });
  const clockFile = scenario.clockSteps === true ? join(folder, "wall-clock") : undefined;
  if (clockFile !== undefined) createSharedClock(clockFile);
  const queue = await new Queue(await driverFor(store.directUrl), {
    ...{ clock: clockFor({ clockFile }), logger: silentLogger },
  }).open();
  const { workers, producers } = fleets(
    scenario,
    {
      ...{ url: store.url, folder, clockFile, wrong: scenario.wrong, sessionTtl: scenario.sessionTtl },
      // What has no records keeps none.
      keepsCompleted: scenario.keepsCompleted === true && queue.capabilities.records === true,
    },
    log,
  );
  const problems: string[] = [];
  let contents: Contents;
  let slowness = 1;
  const acting = new AbortController();
  const sizes = watchSize(store.size, acting.signal);
  try {
    const startedAt = performance.now();
    await Promise.all([workers.start(), producers.start()]);
    slowness = Math.min(MOST_SLOW, Math.max(1, (performance.now() - startedAt) / START_MS));
    await act(scenario, { workers, producers, leaseMs: scenario.leaseMs }, store, clockFile, log);
    if (!(await drained(queue, scenario, slowness, leaseActivity(folder))))
      problems.push("jobs were left after the drain");
  } catch (error) {
    problems.push(`it ended with ${String(error)}`);
  } finally {
    acting.abort();
    problems.push(...(await sizes));
    await Promise.all([workers.stop(), producers.stop()]);
    contents = await patiently(() => contentsOf(queue)).catch((cause: unknown) => {
      throw new Error([...problems, `what is left cannot be read: ${String(cause)}`].join("\n"), { cause });
    });
    problems.push(...(await takeOut(queue)));
    await queue.close();
    log.close();
    await store.close();
  }
  const { attempts, batch, lease, finish, release } = queue.capabilities;
  const bounds: Bounds = {
    // On a broker a consumer that nobody waits for any more can still be given one job, one for each queue.
    unasked: lease.ends === "connection" ? QUEUES.length : 0,
    workers: scenario.workers,
    healthyLosses: scenario.healthyLosses,
    takeBackMs: Math.round(TAKE_BACK_MS * slowness),
    resumeMs: Math.round(RESUME_MS * slowness),
    leaseEnds: lease.ends,
    forgets: store.forgets === true,
    twicePerFault:
      store.forgets === true ? FORGOTTEN_PER_FAULT : finish === "sent" || release === "byCopy" ? TWICE_PER_FAULT : 0,
    falseLosses: attempts === "approximate" ? FALSE_LOSSES : 0,
    atomicBatch: batch.atomic,
  };
  const finding = check(readLogs(folder), contents, bounds);
  problems.push(...workers.problems, ...producers.problems);
  if (finding.violations.length + problems.length === 0) rmSync(folder, { recursive: true, force: true });
  return { ...finding, name: scenario.name, problems, folder, seconds: (performance.now() - startedAt) / 1_000 };
}

type Place = Omit<Settings, "name">;

function fleets(scenario: Scenario, settings: Place, log: LogWriter): Pick<Stage, "workers" | "producers"> {
  const { leaseMs, concurrency, mix, delays, maxLosses, burst, pauseMs, most = Infinity, poison = false } = scenario;
  const { popBatch } = scenario;
  const claimed = popBatch === undefined ? {} : { popBatch };
  const workers = new Fleet({
    ...{ part: popBatch === undefined ? "worker" : "claimer", size: scenario.workers, log },
    ...{ replace: true, mayDie: poison },
    settings: { ...settings, leaseMs, concurrency, ...claimed },
    nodeOptions: scenario.nodeOptions ?? [],
  });
  const producers = new Fleet({
    ...{ part: "producer", size: scenario.producers, log, replace: most === Infinity },
    settings: {
      ...settings,
      mix,
      delays,
      maxLosses,
      burst,
      pauseMs,
      oneQueue: popBatch !== undefined,
      most: Math.min(most, Number.MAX_SAFE_INTEGER),
    },
  });
  return { workers, producers };
}

async function act(
  { seconds, faults, most }: Scenario,
  stage: Pick<Stage, "workers" | "producers" | "leaseMs">,
  store: Store,
  clockFile: string | undefined,
  log: LogWriter,
): Promise<void> {
  const { producers } = stage;
  const signal = AbortSignal.timeout(Math.round(seconds * 1_000));
  let highest = 0;
  const setWallClock = (offsetMs: number): void => {
    highest = Math.max(highest, offsetMs);
    if (clockFile !== undefined) setSharedClock(clockFile, offsetMs, log);
  };
  const broken: StoreFaults = store.faults === undefined ? NO_SERVER : loggedFaults(store.faults, log);
  const acted = Promise.all([faults({ ...stage, signal, setWallClock, store: broken }), pause(seconds * 1_000)]);
  // As long as there are faults there is something that they can hit.
  await (most === undefined ? acted.then(() => producers.stop()) : Promise.all([acted, producers.finished()]));
  // Jobs that were delayed while the clock was ahead are due when it is there again.
  if (clockFile !== undefined) setWallClock(highest);
}

export async function drained(
  queue: Queue,
  { drainSeconds = DRAIN_SECONDS, unseenSeconds = BLIND_SECONDS }: Pick<Scenario, "drainSeconds" | "unseenSeconds">,
  slowness = 1,
  isActive: () => boolean = () => false,
): Promise<boolean> {
  let end = performance.now() + drainSeconds * 1_000;
  const latest = performance.now() + 3 * drainSeconds * 1_000;
  let fewest = Infinity;
  let emptySince: number | undefined;
  while (performance.now() < Math.min(end, latest)) {
    const looksAt = performance.now();
    const stats = await queue.getStats().catch(() => undefined); // the server may only just be back
    const { pendingJobs = NaN, delayedJobs = NaN, reservedJobs } = stats ?? {};
    const left = pendingJobs + delayedJobs + (reservedJobs ?? 0);
    // As long as they get fewer somebody is at work.
    if (left < fewest) [fewest, end] = [left, performance.now() + drainSeconds * 1_000];
    const isEmpty = left === 0 && !isActive();
    emptySince = isEmpty ? (emptySince ?? looksAt) : undefined;
    // Once more where the store tells all.
    const quietMs = reservedJobs === undefined ? unseenSeconds * slowness * 1_000 : LOOK_MS;
    if (emptySince !== undefined && looksAt - emptySince >= quietMs) return true;
    await pause(LOOK_MS);
  }
  return false;
}

/** Tells which jobs wait where they cannot be listed: by taking them, because nobody needs them any more. */
async function takeOut(queue: Queue): Promise<readonly string[]> {
  if (queue.capabilities.records === true) return [];
  const found: string[] = [];
  for (const name of QUEUES) {
    for (let job = await queue.pop({ queue: name }); job !== undefined; job = await queue.pop({ queue: name }))
      found.push(`${job.id} was in "${name}" after the drain, with ${job.losses} losses`);
  }
  return found;
}

/** A store that was just broken, on a busy machine, may be away for a while. */
async function patiently<T>(ask: () => Promise<T>): Promise<T> {
  const giveUpAt = performance.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!isJobferryError(error) || !error.retryable || performance.now() > giveUpAt) throw error;
      await pause(LOOK_MS);
    }
  }
}

export async function contentsOf(queue: Queue): Promise<Contents> {
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
  const stats = {
    pending: pendingJobs,
    delayed: delayedJobs,
    reserved: reservedJobs,
    failed: failedJobs,
    completed: completedJobs,
  };
  return { jobs, stats };
}

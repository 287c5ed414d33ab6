import { engineOf, type Job, type NewJob, Queue, type QueueOptions, type Work } from "../core/index.ts";
import { memoryDriver } from "../drivers/memory/memory-driver.ts";
import { JobferryError, UnsupportedError } from "../errors/index.ts";
import { MAX_DURATION_MS, nextTurn, silentLogger, systemClock } from "../runtime/index.ts";
import { Worker, type WorkerOptions } from "../worker/index.ts";
import { keepUp } from "./real-time.ts";
import { virtualClock, type VirtualClock } from "./virtual-clock.ts";

/** How one attempt ended. `retried` comes back after `retryInMs`, `failed` does not; `released` is a snooze: the attempt did not count. */
export type AttemptOutcome =
  | Readonly<{ outcome: "completed"; result: unknown }>
  | Readonly<{ outcome: "retried"; error: Error; retryInMs: number }>
  | Readonly<{ outcome: "failed"; error: Error }>
  | Readonly<{ outcome: "released" }>;

export type TestQueue = Readonly<{ queue: Queue; clock: VirtualClock }>;

/** A memory queue on a virtual clock: hours pass when the test says so. */
export function testQueue(options: Omit<QueueOptions, "clock"> = {}): TestQueue {
  const clock = virtualClock();
  return { clock, queue: new Queue(memoryDriver(), { logger: silentLogger, ...options, clock }) };
}

export type RunJobOptions = WorkerOptions<Job> &
  Readonly<{
    /** Timeouts and leases pass when it is moved, and the job's delay passes on it at once. Default: they pass in real time. */
    clock?: VirtualClock;
  }>;

/**
 * One attempt of a handler, judged by the rules that a worker goes by, without a store of yours.
 * @throws HANDLER_MISSING when no route has the job's name; what `push` throws for a bad job.
 */
export async function runJob<const W extends Work>(
  work: W,
  job: NewJob,
  { clock: given, ...options }: RunJobOptions = {},
): Promise<AttemptOutcome> {
  // A virtual clock in either case: it stands still between two steps, so `retryInMs` is exact, and its jitter is the same in every run.
  const clock = given ?? virtualClock({ now: systemClock.now() });
  const queue = new Queue(memoryDriver(), { logger: silentLogger, clock });
  let ended: AttemptOutcome = { outcome: "released" };
  let unknown = false;
  const worker = new Worker<Work>(queue, job.queue, work, {
    stopTimeout: MAX_DURATION_MS, // `maxJobs` stops it while the handler runs, which must not cut that short
    ...options,
    maxJobs: 1,
    prefetch: 0,
  });
  worker.on("completed", ({ result }) => (ended = { outcome: "completed", result }));
  worker.on("failed", ({ error, retryAt }) => {
    ended =
      retryAt === undefined
        ? { outcome: "failed", error }
        : { outcome: "retried", error, retryInMs: retryAt - clock.now() };
  });
  worker.on("unknown", () => (unknown = true));
  try {
    const { availableAt } = await queue.push(job);
    const stop = new AbortController();
    const over = new AbortController();
    worker.once("unknown", () => stop.abort());
    if (availableAt > clock.now()) await clock.advance(availableAt - clock.now());
    const running = worker.run(stop.signal).finally(() => over.abort());
    await (given === undefined ? Promise.all([running, keepUp(clock, systemClock, over.signal)]) : running);
  } finally {
    await queue.close();
  }
  if (unknown)
    throw new JobferryError(
      "HANDLER_MISSING",
      `No route is named "${job.name}". Add it to the routes, or name the job otherwise.`,
    );
  return ended;
}

export type DrainOptions = Readonly<{
  /** The queue's virtual clock; needed to pass through delays. */
  clock?: VirtualClock;
  /** Whether time goes on until delayed jobs (retries among them) are due. Default: they stay. */
  throughDelays?: boolean;
}>;

/** Rounds in which nothing moves although jobs are pending and none runs: they wait for somebody else. */
const MAX_IDLE_ROUNDS = 100;

/**
 * Runs the worker until nothing of `queue` is pending or running, then stops it for good: each drain takes a worker of its own.
 * @throws INVALID_ARGUMENT for a worker that was stopped; when jobs stay pending that this worker does not take: on queues that are not its own, or paused.
 */
export async function drain(worker: Worker<never> | Worker, queue: Queue, options: DrainOptions = {}): Promise<void> {
  const { clock, throughDelays = false } = options;
  if (throughDelays && clock === undefined) {
    throw new JobferryError(
      "INVALID_ARGUMENT",
      "drain: throughDelays needs the queue's virtual clock: { clock, throughDelays: true }.",
    );
  }
  if (worker.status === "stopping" || worker.status === "stopped") {
    throw new JobferryError(
      "INVALID_ARGUMENT",
      `drain: the worker was stopped before (it is ${worker.status}); drain itself stops its worker for good. Make another Worker for each drain.`,
    );
  }
  const { driver } = engineOf(queue);
  if (worker.status === "idle") await worker.start();
  for (let idle = 0; idle < MAX_IDLE_ROUNDS; idle += 1) {
    await settle(clock);
    const { pendingJobs, reservedJobs, delayedJobs } = await queue.getStats();
    if (pendingJobs === undefined || reservedJobs === undefined) throw await uncounted(worker, driver.name);
    if (reservedJobs > 0) idle = 0;
    if (pendingJobs + reservedJobs > 0) continue;
    idle = 0;
    if (!throughDelays || delayedJobs === 0 || clock === undefined) break;
    const { nextDueInMs } = await driver.maintain({ max: 1_000 });
    await clock.advance(Math.max(1, nextDueInMs ?? 1));
  }
  await worker.stop({ timeout: 0 });
  const { pendingJobs = 0 } = await queue.getStats();
  if (pendingJobs > 0)
    throw new JobferryError(
      "INVALID_ARGUMENT",
      `drain: ${pendingJobs} jobs stay pending. Give the worker all queues that have jobs, and resume those that are paused.`,
    );
}

/** Without these counts nobody knows when nothing is left. */
async function uncounted(worker: Worker<never>, driver: string): Promise<JobferryError> {
  await worker.stop({ timeout: 0 });
  return new UnsupportedError(
    "drain",
    `drain needs to know how many jobs are pending and reserved, which ${driver} cannot tell.`,
  );
}

/** Promises and immediates get their turn, on whatever clock. */
async function settle(clock: VirtualClock | undefined): Promise<void> {
  if (clock !== undefined) return clock.advance(0);
  await new Promise<void>(nextTurn);
}

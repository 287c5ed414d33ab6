import type { Capabilities, Driver, PushResult } from "../contract/index.ts";
import { invalidArgument, UnsupportedError } from "../errors/index.ts";
import {
  checkInteger,
  checkName,
  checkOptions,
  checkSignal,
  parseDuration,
  sleep,
  type Duration,
} from "../runtime/index.ts";
import { sendInChunks } from "./batch-chunks.ts";
import { BatchError } from "./batch-error.ts";
import { Engine, type ReserveCall, type Taken } from "./engine.ts";
import { queueGiven } from "./explicit-undefined.ts";
import { flushFailed, retryFailed, type RetryFailed } from "./failed-jobs.ts";
import { type Job, pushedSnapshot } from "./job.ts";
import { type NewJob, UnsentJob } from "./new-job.ts";
import { checkPushOptions, givenDelay, iterated, type PushOptions, unsentOf } from "./push-arguments.ts";
import { QueueRecords, type Records } from "./records.ts";
import { type ReservedJob, ReservedSnapshot } from "./reserved-job.ts";
import { checkQueueOptions, type QueueOptions } from "./queue-options.ts";
import { type QueueStats, shownStats, sumOf } from "./queue-stats.ts";
import type { QueuedItem } from "./queued-item.ts";

export type Reserve = Readonly<{
  /** Default "default". */
  queue?: string;
  /** How long to wait for a job. Default 0: answer at once. */
  wait?: Duration;
  /** The visibility timeout. Default: the queue's. */
  lease?: Duration;
  signal?: AbortSignal;
}>;

/**
 * One connection that carries many named queues. Every method opens it; `open()` opens early and fails early.
 * `Tx` is the driver's transaction handle, `never` where it has none.
 */
export class Queue<in Tx = never> implements AsyncDisposable {
  readonly #engine: Engine<Tx>;

  constructor(driver: Driver<Tx>, options?: QueueOptions) {
    this.#engine = new Engine(driver, checkQueueOptions(options));
  }

  /** @throws NOT_OPEN before the first call or `open()`. */
  get capabilities(): Capabilities {
    return this.#engine.capabilities;
  }

  /** @throws UNSUPPORTED where the backend cannot look up single jobs. */
  get records(): Records {
    return QueueRecords.of(this.#plain);
  }

  get #plain(): Engine {
    return this.#engine as unknown as Engine;
  }

  async open(): Promise<this> {
    await this.#engine.ready();
    return this;
  }

  /** Waits for what was sent (up to 10 s) and closes what this queue opened. Jobs that are still reserved come back when their leases end. */
  close(): Promise<void> {
    return this.#engine.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /**
   * Resolves when the job is stored, at the durability that `capabilities` states. Freezes the job.
   * @throws PAYLOAD_INVALID, PAYLOAD_TOO_LARGE, UNSUPPORTED: nothing is stored. UNAVAILABLE: the message says whether it may be.
   */
  push(job: NewJob, options?: PushOptions<Tx>): Promise<Job> {
    return this.#push(job, undefined, options);
  }

  /** `push` with a delay, or at a time. @throws INVALID_ARGUMENT without one. */
  async later(job: NewJob, delay: Duration | Date, options?: PushOptions<Tx>): Promise<Job> {
    return this.#push(job, givenDelay(delay), options);
  }

  /** All jobs are checked first: when one is bad none is stored. @throws BATCH_INCOMPLETE when not all were confirmed; it says which. */
  pushBatch(jobs: Iterable<NewJob>, options?: PushOptions<Tx>): Promise<readonly Job[]> {
    return this.#pushBatch(jobs, undefined, options);
  }

  async laterBatch(jobs: Iterable<NewJob>, delay: Duration | Date, options?: PushOptions<Tx>): Promise<readonly Job[]> {
    return this.#pushBatch(jobs, givenDelay(delay), options);
  }

  async #push(job: NewJob, delay: Duration | Date | undefined, options: PushOptions<Tx> | undefined): Promise<Job> {
    const opening = this.#engine.ready();
    if (opening !== undefined) await opening;
    checkPushOptions(options);
    const unsent = unsentOf(job);
    const checking = this.#engine.pushing.check(unsent);
    const checked = checking === undefined ? undefined : await checking;
    this.#checkTransaction(options);
    const item = this.#engine.pushing.item(unsent, delay, checked);
    UnsentJob.freeze(unsent, item.createdAt);
    const [result] = await this.#send([item], options);
    const error = this.#engine.pushing.errorOf(result);
    if (error !== undefined) throw error;
    return pushedSnapshot(item);
  }

  #send(items: readonly QueuedItem[], options: PushOptions<Tx> | undefined): Promise<readonly PushResult[]> {
    if (options?.transaction === undefined) return this.#engine.pushing.send(items, options);
    return this.#engine.pushing.sendInside(items, options.transaction, options.signal);
  }

  #checkTransaction(options: PushOptions<Tx> | undefined): void {
    if (options?.transaction === undefined || this.#engine.capabilities.transactions) return;
    throw new UnsupportedError(
      "transactions",
      `${this.#engine.driver.name} cannot push inside your transaction as it was opened here. Hand in the database, or push after your commit.`,
    );
  }

  async #pushBatch(
    jobs: Iterable<NewJob>,
    delay: Duration | Date | undefined,
    options: PushOptions<Tx> | undefined,
  ): Promise<readonly Job[]> {
    await this.#engine.ready();
    checkPushOptions(options);
    this.#checkTransaction(options);
    const all = iterated(jobs);
    const unsent = all.map(unsentOf);
    const items: QueuedItem[] = [];
    for (const job of unsent) {
      // Each item is made as soon as its payload is checked: the caller may change it while the next one is.
      const checking = this.#engine.pushing.check(job);
      items.push(this.#engine.pushing.item(job, delay, checking === undefined ? undefined : await checking));
    }
    for (const [i, job] of unsent.entries()) UnsentJob.freeze(job, items[i]?.createdAt ?? job.createdAt);
    const failures = await sendInChunks(items, this.#engine.capabilities.batch, {
      send: (chunk) => this.#send(chunk, options),
      errorOf: (result) => this.#engine.pushing.errorOf(result),
    });
    const errors = items.map((item) => failures.get(item));
    const cause = errors.find((error) => error !== undefined);
    const stored = items.flatMap((item, i) => (errors[i] === undefined ? [pushedSnapshot(item)] : []));
    if (cause === undefined) return stored;
    throw new BatchError(
      stored,
      all.filter((_, i) => errors[i] !== undefined),
      cause,
    );
  }

  /** A job of one queue under a lease; undefined when none came within `wait`. */
  async pop(options: Reserve = {}): Promise<ReservedJob | undefined> {
    const [job] = await this.popBatch(1, options);
    return job;
  }

  /** Up to `max` jobs; fewer does not mean that the queue is empty. */
  async popBatch(max: number, options: Reserve = {}): Promise<readonly ReservedJob[]> {
    checkOptions("pop", options, ["queue", "wait", "lease", "signal"]);
    checkInteger("max", max, 1, 100_000);
    checkSignal("signal", options.signal);
    const { settings } = this.#engine;
    const call = {
      queues: [checkName("queue", options.queue ?? "default")],
      max,
      leaseMs: options.lease === undefined ? settings.leaseMs : parseDuration(options.lease, "lease", { min: 1 }),
      waitMs: parseDuration(options.wait ?? 0, "wait"),
      signal: options.signal,
    };
    await this.#engine.ready();
    this.#engine.checkLease(call.leaseMs);
    const taken = await this.#take(call);
    return taken.map(({ lease, envelope, payload }) => new ReservedSnapshot(this.#plain, lease, envelope, payload));
  }

  /** Asks again when only jobs came that cannot be read or that the store itself failed: there may be others behind them. */
  async #take(call: ReserveCall): Promise<readonly Taken[]> {
    const { clock, closing } = this.#engine;
    const deadline = clock.monotonic() + call.waitMs;
    for (let waitMs = call.waitMs; ; waitMs = Math.max(0, deadline - clock.monotonic())) {
      if (call.signal?.aborted) return [];
      const { taken, died, unreadable, bounced } = await this.#engine.reserve({ ...call, waitMs });
      if (taken.length > 0 || closing.aborted) return taken;
      if (died.length > 0 || unreadable > 0) continue;
      const left = deadline - clock.monotonic();
      if (bounced === 0 || left <= 0) return taken;
      await sleep(clock, Math.min(BOUNCE_PAUSE_MS, left), call.signal);
    }
  }

  /** The specification's name for `job.complete()`. */
  delete(job: ReservedJob): Promise<void> {
    return job.complete();
  }

  release(job: ReservedJob, delay?: Duration): Promise<void> {
    return job.release(delay);
  }

  fail(job: ReservedJob, error: unknown): Promise<void> {
    return job.fail(error);
  }

  extend(job: ReservedJob, fromNow: Duration): Promise<void> {
    return job.extend(fromNow);
  }

  /** What waits: pending and delayed; undefined where the backend cannot tell. Without a name, of all queues. */
  async size(queue?: string): Promise<number | undefined> {
    const { pendingJobs, delayedJobs } = await this.getStats(queue);
    return sumOf([pendingJobs, delayedJobs]);
  }

  /**
   * Removes what waits, of one queue or of all; resolves to the number, undefined where the backend does not tell. Reserved and failed jobs and
   * counters stay. @throws INVALID_ARGUMENT for an explicit `undefined`, which may be a variable that nobody has set.
   */
  async clear(...args: readonly [queue?: string]): Promise<number | undefined> {
    const queue = queueGiven("clear", args);
    await this.#engine.ready();
    const { removed } = await this.#engine.call("clear", () => this.#engine.driver.clear(queue));
    return removed;
  }

  async getStats(queue?: string): Promise<QueueStats> {
    if (queue !== undefined) checkName("queue", queue);
    await this.#engine.ready();
    return shownStats(
      await this.#engine.call("stats", () => this.#engine.driver.stats(queue)),
      this.#engine.capabilities,
    );
  }

  /** Failed jobs, the oldest first, back to pending with a fresh count of attempts; resolves to the number. */
  retryFailed(options: RetryFailed = {}): Promise<number> {
    return retryFailed(this.#plain, options);
  }

  /** Removes failed jobs for ever, of one queue or of all; resolves to the number. @throws INVALID_ARGUMENT for an explicit `undefined`. */
  async flushFailed(...args: readonly [queue?: string]): Promise<number> {
    return flushFailed(this.#plain, queueGiven("flushFailed", args));
  }

  /** The names of all queues that hold or have held jobs. */
  async queues(): Promise<readonly string[]> {
    await this.#engine.ready();
    return this.#engine.call("queues", () => this.#engine.driver.queues());
  }

  /** Stops new reservations by anyone, until `resume`, also across restarts. Without a name: all queues that exist now. */
  async pause(queue?: string): Promise<void> {
    await this.#forQueues("pause", queue, (name) => this.#engine.driver.pause(name));
  }

  async resume(queue?: string): Promise<void> {
    await this.#forQueues("resume", queue, (name) => this.#engine.driver.resume(name));
  }

  async #forQueues(doing: string, queue: string | undefined, act: (name: string) => Promise<void>): Promise<void> {
    if (queue !== undefined) checkName("queue", queue);
    await this.#engine.ready();
    if (this.#engine.capabilities.pause.support === "unsupported") {
      throw new UnsupportedError(
        "pause",
        `${this.#engine.driver.name} cannot ${doing} a queue. Pause the workers instead.`,
      );
    }
    const names = queue === undefined ? await this.queues() : [queue];
    for (const name of names) await this.#engine.call(doing, () => act(name));
  }

  /** For workers and pools: not public. */
  static engineOf(queue: Queue): Engine {
    if (#engine in Object(queue)) return queue.#plain;
    throw invalidArgument("queue", queue, "a queue made by this copy of jobferry, e.g. memoryQueue()");
  }
}

/** Workers share the queue's engine; users never see it. */
export function engineOf(queue: Queue): Engine {
  return Queue.engineOf(queue);
}

/** Before a store is asked again that has just given jobs which this process had to put back into it. */
const BOUNCE_PAUSE_MS = 250;

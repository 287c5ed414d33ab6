import type { FinishResult, StoredJob, Timer } from "../contract/index.ts";
import { type Engine, JobSnapshot, type Taken } from "../core/index.ts";
import { decodeEnvelope } from "../core/index.ts";
import { errorFrom, JobferryError } from "../errors/index.ts";
import { Deferred, residentMemory, settledWithin } from "../runtime/index.ts";
import { Attempt } from "./attempt.ts";
import { AttemptsInHand } from "./attempts-in-hand.ts";
import { Buffer } from "./buffer.ts";
import type { Executor, ExecutorListener } from "./executor.ts";
import { type Appetite, Fetcher, type FetchHost } from "./fetcher.ts";
import { Judge } from "./judge.ts";
import { Outbox } from "./outbox.ts";
import { outcomeOf } from "./outcome.ts";
import { PauseWatch } from "./pause-watch.ts";
import { Prefetch } from "./prefetch.ts";
import { Renewals, shutdownError } from "./renewals.ts";
import { UnknownJobs } from "./unknown-jobs.ts";
import { Upkeep } from "./upkeep.ts";
import type { Verdict } from "./verdict.ts";
import type { EventSink, StopReason } from "./worker-events.ts";
import type { WorkerSettings } from "./worker-options.ts";

export type RunnerStatus = "idle" | "running" | "stopping" | "stopped";

const MEMORY_CHECK_MS = 1_000;
const OUTBOX_TIMEOUT_MS = 10_000;
const LONG_MS = 24 * 86_400_000;
/** Every so many starts one handler's time is taken for the prefetch. */
const SAMPLE = 8;

/** Fetches jobs, runs them in the executor's slots, renews their leases and finishes them. Workers and pools are faces of it. */
export class Runner implements ExecutorListener, FetchHost {
  readonly #engine: Engine;
  readonly #settings: WorkerSettings;
  readonly #slots: number;
  readonly #executor: Executor;
  readonly #sink: EventSink;
  readonly #fetcher: Fetcher;
  readonly #renewals: Renewals;
  readonly #upkeep: Upkeep;
  readonly #outbox: Outbox;
  readonly #judge: Judge;
  readonly #prefetch: Prefetch;
  readonly #unknown: UnknownJobs;
  readonly #pauses: PauseWatch;
  readonly #hand = new AttemptsInHand();
  readonly #accepts = (attempt: Attempt): boolean => this.#executor.accepts(attempt);
  readonly #owner: Readonly<{ settled: (attempt: Attempt, result: FinishResult) => void }>;
  readonly #buffer = new Buffer();
  #active = 0;
  #started = 0;
  #pumping = false;
  #timers: Timer[] = [];
  #drained: Deferred | undefined;
  #hurry: Deferred = new Deferred();
  #stopping: Promise<void> | undefined;
  #handedBack = 0;
  readonly #stopped = new Deferred<StopReason>();
  status: RunnerStatus = "idle";
  processed = 0;
  failed = 0;

  constructor(
    engine: Engine,
    order: () => readonly string[],
    executor: Executor,
    settings: WorkerSettings,
    slots: number,
    sink: EventSink,
  ) {
    this.#engine = engine;
    this.#executor = executor;
    this.#settings = settings;
    this.#slots = slots;
    this.#sink = sink;
    const leaseMs = settings.leaseMs ?? engine.settings.leaseMs;
    const error = (cause: unknown): void => this.error(cause);
    this.#owner = { settled: (attempt, result) => this.#settled(attempt, result) };
    this.#fetcher = new Fetcher(engine, order, { leaseMs, waits: !settings.stopWhenEmpty }, this);
    this.#renewals = new Renewals(engine, this.#hand, leaseMs, { lost: (attempt) => this.#lost(attempt), error });
    this.#upkeep = new Upkeep(engine, { died: (jobs) => this.#died(jobs), error });
    this.#outbox = new Outbox(engine, () => this.#outboxIdle(), error);
    this.#judge = new Judge(settings, engine.settings.defaults, engine.clock);
    this.#prefetch = new Prefetch(settings.prefetch, slots);
    this.#unknown = new UnknownJobs(engine.clock, settings.unknownJobTimeoutMs);
    this.#pauses = new PauseWatch(
      engine,
      (queues) => this.#handBackBuffered((attempt) => queues.has(attempt.job.queue)),
      error,
    );
  }

  get active(): number {
    return this.#active;
  }

  /** Resolves when the runner has stopped, with the reason. */
  get stopped(): Promise<StopReason> {
    return this.#stopped.promise;
  }

  /** Resolves when it runs. @throws what opening the queue throws. */
  async start(): Promise<void> {
    if (this.status !== "idle")
      throw new JobferryError("INVALID_ARGUMENT", "The worker was started already. Make another one to start again.");
    this.status = "running";
    try {
      await this.#engine.ready();
      this.#checkLease();
      await this.#executor.start(this);
    } catch (error) {
      this.status = "idle";
      throw error;
    }
    if (this.#stopping !== undefined) return;
    this.#arm();
    this.#renewals.start();
    this.#upkeep.start();
    this.#fetcher.start();
  }

  #checkLease(): void {
    const { minMs } = this.#engine.capabilities.lease;
    const leaseMs = this.#settings.leaseMs ?? this.#engine.settings.leaseMs;
    if (leaseMs < minMs)
      throw new JobferryError(
        "INVALID_ARGUMENT",
        `lease is ${leaseMs} ms; ${this.#engine.driver.name} gives at least ${minMs} ms.`,
      );
  }

  #arm(): void {
    const { clock } = this.#engine;
    const { maxTimeMs, maxMemory } = this.#settings;
    // Whatever the driver waits with, a worker that was started keeps its process alive.
    this.#timers.push(clock.timer(LONG_MS, () => undefined));
    if (maxTimeMs < Infinity)
      this.#timers.push(clock.timer(maxTimeMs, () => this.#stopBy("maxTime"), { keepAlive: false }));
    if (maxMemory < Infinity) this.#watchMemory(maxMemory);
  }

  #watchMemory(maxMemory: number): void {
    const check = (): void => {
      if (residentMemory() > maxMemory) return this.#stopBy("maxMemory");
      this.#timers.push(this.#engine.clock.timer(MEMORY_CHECK_MS, check, { keepAlive: false }));
      this.#timers = this.#timers.slice(-4);
    };
    check();
  }

  pause(): void {
    this.#fetcher.pause();
    this.#handBackBuffered(() => true);
  }

  resume(): void {
    this.#fetcher.resume();
  }

  // Fetching

  appetite(): Appetite {
    const slots = this.#slots - this.#active;
    const room = Math.min(slots, this.#executor.room);
    // All children are being replaced: jobs that were fetched now would only wait here.
    if (slots > 0 && room === 0) return { max: 0, free: 0 };
    const free = room - this.#buffer.size;
    const ahead = this.#prefetch.target;
    const left = this.#settings.maxJobs - this.#started - this.#buffer.size;
    const unconfirmed = this.#outbox.unconfirmed;
    // While many ends are unconfirmed more jobs would only pile up behind them.
    if (unconfirmed > Math.max(1_000, 4 * this.#slots)) return { max: 0, free: 0 };
    // Fetching ahead starts again at half, so that it goes in batches.
    if (free <= 0 && this.#buffer.size * 2 > ahead) return { max: 0, free: 0 };
    const max = Math.min(Math.max(free, 0) + Math.max(ahead - Math.max(this.#buffer.size, 0), 0), left);
    return { max, free: Math.max(0, Math.min(free, max)) };
  }

  accept(taken: readonly Taken[], died: readonly StoredJob[]): void {
    if (died.length > 0) this.#died(died);
    for (const { lease, envelope } of taken) {
      const attempt = new Attempt(this.#engine, this.#owner, lease, envelope);
      this.#hand.add(attempt);
      const refused = this.#refused(attempt);
      if (refused !== undefined) this.#close(attempt, refused);
      else this.#line(attempt);
    }
    if (this.status !== "running") this.#handBackBuffered(() => true);
    this.#pump();
    if (this.#buffer.size > 0) this.#pauses.watch(() => this.#bufferedQueues());
  }

  /** A job that lost a lease was given for a free slot: it goes before those that were fetched ahead. */
  #line(attempt: Attempt): void {
    if (attempt.job.losses > 0) this.#buffer.putFirst(attempt);
    else this.#buffer.put(attempt);
  }

  #bufferedQueues(): ReadonlySet<string> {
    return new Set(this.#buffer.all().map((attempt) => attempt.job.queue));
  }

  #refused(attempt: Attempt): Verdict | undefined {
    const expired = this.#judge.expired(attempt);
    if (expired !== undefined) return expired;
    const { name } = attempt.job;
    if (this.#executor.handles(name)) return undefined;
    this.#sink.tell("unknown", { job: attempt.job });
    const delayMs = this.#unknown.delayFor(attempt.job.id);
    if (delayMs !== undefined) return this.#judge.handBack(attempt, delayMs);
    const error = new JobferryError(
      "HANDLER_MISSING",
      `No worker had a route for jobs named "${name}" within unknownJobTimeout. Add the route, then retry the job.`,
    );
    return this.#judge.refuse(attempt, error);
  }

  foundNothing(): void {
    if (this.#settings.stopWhenEmpty && this.#active === 0 && this.#buffer.size === 0 && this.#outbox.unconfirmed === 0)
      this.#stopBy("empty");
  }

  error(cause: unknown): void {
    const error = cause instanceof JobferryError ? cause : new JobferryError("UNEXPECTED", String(cause), { cause });
    this.#sink.tell("error", { error });
  }

  // Running

  /** Starts what waits for slots. Not entered twice: handlers that return at once would nest as deep as the buffer is long. */
  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    while (this.#active < this.#slots && this.#buffer.size > 0 && this.status === "running") {
      const attempt = this.#buffer.takeFirst(this.#accepts);
      if (attempt === undefined) break;
      this.#begin(attempt);
    }
    this.#pumping = false;
    if (this.#started >= this.#settings.maxJobs) this.#stopBy("maxJobs");
    this.#fetcher.hungry();
  }

  #begin(attempt: Attempt): void {
    this.#active += 1;
    this.#started += 1;
    if (attempt.lease.over) {
      // It waited here longer than its lease: somebody else has it.
      this.#free(attempt);
      attempt.closed = true;
      this.#sink.tell("lost", { job: attempt.job });
      return;
    }
    if (this.#prefetch.measures && (this.#started < 2 * SAMPLE || this.#started % SAMPLE === 0))
      attempt.startedAt = this.#engine.clock.monotonic();
    const timeout = this.#judge.timeout(attempt.envelope);
    if (timeout !== undefined) attempt.timer = this.#engine.clock.timer(timeout, () => this.#timeout(attempt, timeout));
    this.#executor.execute(attempt);
  }

  #timeout(attempt: Attempt, timeout: number): void {
    attempt.abort(new JobferryError("TIMEOUT", `The attempt ran longer than its timeout of ${timeout} ms.`));
    this.#armGrace(attempt);
  }

  /** The lease is gone. The handler is told to stop; what it returns is still tried, and the token decides. */
  #lost(attempt: Attempt): void {
    this.#sink.tell("lost", { job: attempt.job });
    this.#armGrace(attempt);
  }

  #armGrace(attempt: Attempt): void {
    attempt.timer?.cancel();
    attempt.timer = this.#engine.clock.timer(this.#settings.abortGraceMs, () => this.#graceOver(attempt));
  }

  #graceOver(attempt: Attempt): void {
    attempt.timer = undefined;
    if (attempt.aborted?.code === "LEASE_LOST") attempt.closed = true;
    else if (!attempt.closed) this.#close(attempt, this.#judge.threw(attempt, attempt.aborted));
    if (!this.#executor.kill(attempt)) this.#sink.tell("stuck", { job: attempt.job });
  }

  returned(attempt: Attempt, value: unknown): void {
    this.#free(attempt);
    if (!attempt.closed) {
      const outcome = outcomeOf(value);
      if (outcome !== undefined) this.#close(attempt, this.#judge.outcome(attempt, outcome));
      else this.#complete(attempt, value);
    }
    this.#pump();
  }

  #complete(attempt: Attempt, value: unknown): void {
    attempt.value = value;
    try {
      const result = this.#engine.encodeResult(value);
      if (result !== undefined) attempt.item = { reservation: attempt.lease.reservation, outcome: "done", result };
    } catch (error) {
      // The work is done; only its result cannot be kept.
      this.error(
        new JobferryError("PAYLOAD_INVALID", `The result of job ${attempt.job.id} cannot be kept: ${String(error)}`, {
          cause: error,
        }),
      );
    }
    this.#send(attempt);
  }

  threw(attempt: Attempt, error: unknown): void {
    this.#free(attempt);
    if (!attempt.closed) {
      if (attempt.aborted?.code === "LEASE_LOST") attempt.closed = true;
      else this.#close(attempt, this.#judge.threw(attempt, error));
    }
    this.#pump();
  }

  died(attempt: Attempt, error: Error): void {
    this.#free(attempt);
    if (!attempt.closed) {
      if (attempt.aborted?.code === "LEASE_LOST") attempt.closed = true;
      else this.#close(attempt, this.#judge.workerDied(attempt, error));
    }
    this.#pump();
  }

  roomier(): void {
    this.#pump();
  }

  #free(attempt: Attempt): void {
    attempt.timer?.cancel();
    this.#active -= 1;
    if (attempt.startedAt > 0) this.#prefetch.took(this.#engine.clock.monotonic() - attempt.startedAt);
    this.#hand.remove(attempt);
    if (this.#active === 0) this.#drained?.resolve();
  }

  #close(attempt: Attempt, verdict: Verdict): void {
    attempt.verdict = verdict;
    attempt.item = verdict.item;
    this.#send(attempt);
  }

  #send(attempt: Attempt): void {
    attempt.closed = true;
    this.#hand.remove(attempt);
    this.#outbox.send(attempt);
  }

  // Telling

  #settled(attempt: Attempt, result: FinishResult): void {
    if (result === "ok") return this.#confirmed(attempt);
    if (result === "lost") return this.#sink.tell("lost", { job: attempt.job });
    const { id } = attempt.job;
    this.error(
      new JobferryError(
        "FINISH_UNKNOWN",
        `The store did not confirm the end of job ${id} before its lease ended; it may run again.`,
      ),
    );
  }

  #confirmed(attempt: Attempt): void {
    const { verdict, job } = attempt;
    if (verdict === undefined) {
      this.processed += 1;
      if (this.#sink.hears("completed")) this.#sink.tell("completed", { job, result: attempt.value });
      return;
    }
    const { error, retryInMs } = verdict;
    if (error === undefined) return;
    this.processed += 1;
    this.failed += 1;
    const retryAt = retryInMs === undefined ? undefined : this.#engine.clock.now() + retryInMs;
    this.#sink.tell("failed", { job, error, willRetry: retryInMs !== undefined, retryAt });
    if (retryInMs === undefined) this.#sink.tell("dead", { job, error });
  }

  #died(jobs: readonly StoredJob[]): void {
    if (!this.#sink.hears("dead")) return;
    for (const stored of jobs) {
      try {
        const job = new JobSnapshot(
          stored,
          stored.item === undefined ? decodeEnvelope(stored.envelope) : JobSnapshot.fieldsOf(stored.item),
        );
        const failure = stored.failure ?? {
          code: "LEASE_EXPIRED",
          name: "JobferryError",
          message: "The lease ran out too often.",
          stack: undefined,
        };
        this.#sink.tell("dead", { job, error: errorFrom(failure) });
      } catch (error) {
        this.error(error);
      }
    }
  }

  #outboxIdle(): void {
    if (this.#active === 0) this.#drained?.resolve();
    this.#fetcher.hungry();
  }

  // Stopping

  #stopBy(reason: StopReason): void {
    this.stop(this.#settings.stopTimeoutMs, reason).catch((error: unknown) => this.error(error));
  }

  /** Drains for `timeoutMs`, then aborts and hands back. A second call with 0 ends the draining at once. */
  stop(timeoutMs: number, reason: StopReason): Promise<void> {
    if (timeoutMs === 0) this.#hurry.resolve();
    this.#stopping ??= this.#stop(timeoutMs, reason);
    return this.#stopping;
  }

  async #stop(timeoutMs: number, reason: StopReason): Promise<void> {
    const wasRunning = this.status === "running";
    this.status = "stopping";
    if (wasRunning) await this.#drain(timeoutMs);
    this.#renewals.stop();
    this.#pauses.stop();
    for (const timer of this.#timers) timer.cancel();
    await this.#upkeep.stop();
    await this.#executor.stop();
    this.status = "stopped";
    this.#sink.tell("stopped", { reason, handedBack: this.#handedBack });
    this.#stopped.resolve(reason);
  }

  async #drain(timeoutMs: number): Promise<void> {
    const { clock } = this.#engine;
    const fetched = this.#fetcher.stop();
    this.#handBackBuffered(() => true);
    await settledWithin(clock, Promise.race([this.#idle(), this.#hurry.promise]), timeoutMs);
    if (this.#active > 0) {
      for (const attempt of this.#hand.all()) attempt.abort(shutdownError());
      await settledWithin(clock, this.#idle(), this.#settings.abortGraceMs);
      for (const attempt of [...this.#hand.all()]) this.#giveBack(attempt);
    }
    await settledWithin(clock, fetched, OUTBOX_TIMEOUT_MS);
    const end = clock.monotonic() + OUTBOX_TIMEOUT_MS;
    while (this.#outbox.unconfirmed > 0 && clock.monotonic() < end) {
      this.#drained = new Deferred();
      await settledWithin(clock, this.#drained.promise, Math.max(1, end - clock.monotonic()));
    }
  }

  #idle(): Promise<void> {
    if (this.#active === 0) return Promise.resolve();
    this.#drained = new Deferred();
    return this.#drained.promise;
  }

  /** A handler that did not stop in time: its job runs again elsewhere, and what it still returns is ignored. */
  #giveBack(attempt: Attempt): void {
    if (attempt.closed) return;
    attempt.timer?.cancel();
    this.#handedBack += 1;
    this.#close(attempt, this.#judge.handBack(attempt));
    if (!this.#executor.kill(attempt)) this.#sink.tell("stuck", { job: attempt.job });
  }

  #handBackBuffered(which: (attempt: Attempt) => boolean): void {
    for (const attempt of this.#buffer.takeWhere(which)) this.#close(attempt, this.#judge.handBack(attempt));
  }
}

import type { StoredJob } from "../contract/index.ts";
import type { Engine, Taken } from "../core/index.ts";
import { JobferryError } from "../errors/index.ts";
import { Deferred, settledWithin } from "../runtime/index.ts";
import { BufferWatch } from "./buffer-watch.ts";
import type { Executor } from "./executor.ts";
import { type Appetite, Fetcher, type FetchHost } from "./fetcher.ts";
import { Limits } from "./limits.ts";
import { Renewals } from "./renewals.ts";
import { Reporter } from "./reporter.ts";
import { Slots } from "./slots.ts";
import { Upkeep } from "./upkeep.ts";
import type { EventSink, StopReason } from "./worker-events.ts";
import type { WorkerSettings } from "./worker-options.ts";

export type RunnerStatus = "idle" | "starting" | "running" | "stopping" | "stopped";

/** How long a stop waits for the store, in all, after the handlers have ended. */
const STORE_TIMEOUT_MS = 10_000;

/** Life of a worker: starts its parts, stops by its limits or when told, and leaves nothing behind. Workers and pools are faces of it. */
export class Runner implements FetchHost {
  readonly #engine: Engine;
  readonly #order: () => readonly string[];
  readonly #executor: Executor;
  readonly #settings: WorkerSettings;
  readonly #sink: EventSink;
  readonly #reporter: Reporter;
  readonly #slots: Slots;
  readonly #fetcher: Fetcher;
  readonly #renewals: Renewals;
  readonly #upkeep: Upkeep;
  readonly #limits: Limits;
  readonly #watch: BufferWatch;
  readonly #onClosing = (): void => this.#stopBy("closed", 0);
  /** Resolved when a stop waits no longer for running jobs. */
  readonly #hurry = new Deferred();
  readonly #stopAsked = new Deferred();
  #stopping: Promise<void> | undefined;
  readonly #stopped = new Deferred<StopReason>();
  #status: RunnerStatus = "idle";

  constructor(
    engine: Engine,
    order: () => readonly string[],
    executor: Executor,
    settings: WorkerSettings,
    slots: number,
    sink: EventSink,
    needsUpkeep?: () => boolean,
  ) {
    this.#engine = engine;
    this.#order = order;
    this.#executor = executor;
    this.#settings = settings;
    this.#sink = sink;
    const error = (cause: unknown): void => this.error(cause);
    this.#reporter = new Reporter(engine, sink);
    this.#slots = new Slots(engine, executor, settings, slots, this.#reporter, {
      hungry: () => this.#fetcher.hungry(),
      idle: () => this.#fetcher.idle(),
      maxJobs: () => this.#stopBy("maxJobs"),
    });
    const { leaseMs, hand, buffer } = this.#slots;
    this.#fetcher = new Fetcher(engine, order, { leaseMs, untilEmpty: settings.stopWhenEmpty }, this);
    this.#renewals = new Renewals(engine, hand, leaseMs, { lost: (attempt) => this.#slots.lost(attempt), error });
    this.#upkeep = new Upkeep(engine, { died: (jobs) => this.#reporter.died(jobs), error }, needsUpkeep);
    this.#limits = new Limits(engine.clock, settings, (reason) => this.#stopBy(reason));
    this.#watch = new BufferWatch(engine, buffer, {
      started: () => this.#slots.started,
      handBack: (which) => this.#slots.handBack(which),
      stalled: () => this.#slots.stalled(),
      error,
    });
  }

  get status(): RunnerStatus {
    return this.#status;
  }

  get active(): number {
    return this.#slots.active;
  }

  get processed(): number {
    return this.#reporter.processed;
  }

  get failed(): number {
    return this.#reporter.failed;
  }

  /** Resolves when the runner has stopped, with the reason. */
  get stopped(): Promise<StopReason> {
    return this.#stopped.promise;
  }

  // Starting

  /** Resolves when it runs, or when it was stopped meanwhile. @throws what opening the queue throws; then it may be started again. */
  async start(): Promise<void> {
    if (this.#status !== "idle") {
      throw new JobferryError(
        "INVALID_ARGUMENT",
        `The worker was started or stopped before (it is ${this.#status}). Make another one to start again.`,
      );
    }
    this.#status = "starting";
    try {
      await Promise.race([this.#prepare(), this.#stopAsked.promise]);
    } catch (error) {
      if (this.#stopping === undefined) this.#status = "idle";
      throw error;
    }
    if (this.#stopping !== undefined) return;
    this.#status = "running";
    // It was closed while this started: the event will not come any more.
    if (this.#engine.closing.aborted) return this.#onClosing();
    this.#engine.closing.addEventListener("abort", this.#onClosing, { once: true });
    this.#limits.start();
    this.#renewals.start();
    this.#upkeep.start();
    this.#fetcher.start();
  }

  async #prepare(): Promise<void> {
    await this.#engine.ready();
    this.#engine.checkLease(this.#slots.leaseMs);
    if (this.#stopping !== undefined) return;
    await this.#executor.start(this.#slots);
    if (this.#stopping !== undefined) await this.#executor.stop(); // it was stopped while it started
  }

  pause(): void {
    if (this.#stopping !== undefined) return;
    this.#fetcher.pause();
    this.#slots.shut();
  }

  resume(): void {
    if (this.#stopping !== undefined) return;
    this.#slots.reopen();
    this.#fetcher.resume();
  }

  // Fetching

  appetite(): Appetite {
    return this.#slots.appetite();
  }

  get idle(): boolean {
    return this.#slots.idle;
  }

  accept(taken: readonly Taken[], died: readonly StoredJob[]): boolean {
    if (died.length > 0) this.#reporter.died(died);
    const keeps = this.#slots.accept(taken);
    this.#watch.watch();
    return keeps || died.length > 0;
  }

  async foundNothing(): Promise<void> {
    if (!this.idle) return;
    const left = await this.#left();
    if (left !== "pending" && this.idle) this.#stopBy(left);
  }

  /** Less than was asked for does not mean that a store is empty; one that counts exactly knows. */
  async #left(): Promise<"pending" | "paused" | "empty"> {
    const { driver, capabilities } = this.#engine;
    if (capabilities.stats.pending !== "exact") return "empty";
    let isPaused = false;
    for (const queue of this.#order()) {
      const { pending, paused } = await this.#engine.call("stats", () => driver.stats(queue));
      if ((pending ?? 0) === 0) continue;
      if (!paused) return "pending";
      isPaused = true;
    }
    return isPaused ? "paused" : "empty";
  }

  error(cause: unknown): void {
    this.#reporter.error(cause);
  }

  // Stopping

  #stopBy(reason: StopReason, timeoutMs = this.#settings.stopTimeoutMs): void {
    if (this.#stopping === undefined) this.stop(timeoutMs, reason).catch((error: unknown) => this.error(error));
  }

  /** Drains for `timeoutMs`, then aborts and hands back. Of several calls the first gives the reason and the shortest wait holds. */
  async stop(timeoutMs: number, reason: StopReason): Promise<void> {
    if (this.#status === "stopped") return;
    if (timeoutMs <= 0) this.#hurry.resolve();
    const timer = this.#engine.clock.timer(timeoutMs, () => this.#hurry.resolve());
    this.#stopping ??= this.#stop(reason);
    try {
      await this.#stopping;
    } finally {
      timer.cancel();
    }
  }

  async #stop(reason: StopReason): Promise<void> {
    this.#status = "stopping";
    this.#engine.closing.removeEventListener("abort", this.#onClosing);
    this.#stopAsked.resolve();
    await this.#drain();
    this.#limits.stop();
    this.#renewals.stop();
    this.#watch.stop();
    try {
      await this.#executor.stop();
    } finally {
      this.#status = "stopped";
      this.#sink.tell("stopped", { reason, handedBack: this.#slots.handedBack });
      this.#stopped.resolve(reason);
    }
  }

  async #drain(): Promise<void> {
    const fetched = this.#fetcher.stop();
    this.#slots.shut();
    const quiet = this.#slots.quiet();
    await Promise.race([quiet, this.#hurry.promise]);
    if (this.#slots.hand.size > 0) {
      this.#slots.abortAll();
      await this.#within(this.#settings.abortGraceMs, quiet);
      this.#slots.giveBackAll();
    }
    // What a fetch still brings is handed back, which has to be confirmed too.
    const confirmed = fetched.then(() => this.#slots.confirmed());
    await this.#within(STORE_TIMEOUT_MS, Promise.all([confirmed, this.#upkeep.stop()]));
  }

  #within(timeoutMs: number, promise: Promise<unknown>): Promise<boolean> {
    return settledWithin(this.#engine.clock, promise, timeoutMs);
  }
}

import type { FinishResult } from "../contract/index.ts";
import { BUILT_IN, type Engine, type Taken } from "../core/index.ts";
import { failureFrom, JobferryError } from "../errors/index.ts";
import { Attempt, type AttemptOwner, shutdownError } from "./attempt.ts";
import { AttemptsInHand } from "./attempts-in-hand.ts";
import { Buffer } from "./buffer.ts";
import { Conditions } from "./conditions.ts";
import type { Executor, ExecutorListener } from "./executor.ts";
import type { Appetite } from "./fetcher.ts";
import { Judge } from "./judge.ts";
import { LastLife } from "./last-life.ts";
import { Outbox } from "./outbox.ts";
import { outcomeOf } from "./outcome.ts";
import { Prefetch } from "./prefetch.ts";
import type { Reporter } from "./reporter.ts";
import { UnknownJobs } from "./unknown-jobs.ts";
import type { Verdict } from "./verdict.ts";
import type { WorkerSettings } from "./worker-options.ts";

/** Every so many starts the handler is measured, for which the clock is looked at. */
const SAMPLE = 8;
/** A look at the clock holds for so long. */
const LOOK_HOLDS_MS = 10;
const NO_APPETITE: Appetite = { max: 0, free: 0 };

export type SlotsHost = Readonly<{
  /** More jobs may be wanted than before. */
  hungry: () => void;
  /** Nothing runs, waits or is unconfirmed any more. */
  idle: () => void;
  maxJobs: () => void;
}>;

/** Starts what was fetched as slots become free, and brings each attempt to exactly one end. */
export class Slots implements ExecutorListener, AttemptOwner {
  readonly #engine: Engine;
  readonly #settings: WorkerSettings;
  readonly #count: number;
  readonly #executor: Executor;
  readonly #reporter: Reporter;
  readonly #host: SlotsHost;
  readonly #outbox: Outbox;
  readonly #judge: Judge;
  readonly #prefetch: Prefetch;
  readonly #unknown: UnknownJobs;
  readonly #conditions = new Conditions();
  readonly #lastLife: LastLife;
  readonly #accepts = (attempt: Attempt): boolean =>
    this.#lastLife.lets(attempt, this.active === 0) && this.#executor.accepts(attempt);
  readonly leaseMs: number;
  /** All attempts that are not closed, running or fetched ahead. */
  readonly hand: AttemptsInHand = new AttemptsInHand();
  readonly buffer: Buffer = new Buffer();
  /** Slots that are taken, also by handlers that nobody waits for any more. */
  active = 0;
  /** Attempts that were started so far. */
  started = 0;
  /** Running jobs that were handed back because the worker stops. */
  handedBack = 0;
  /** Whether attempts may be started; what comes meanwhile is handed back. */
  #open = true;
  /** The newest look, by both clocks. */
  #lookedAt = -Infinity;
  #lookedAtWall = -Infinity;
  #pumping = false;
  /** The newest fetch brought jobs that have a single life, which must not end before they begin. */
  #onlyLives = false;

  constructor(
    engine: Engine,
    executor: Executor,
    settings: WorkerSettings,
    count: number,
    reporter: Reporter,
    host: SlotsHost,
  ) {
    this.#engine = engine;
    this.#executor = executor;
    this.#settings = settings;
    this.#count = count;
    this.#reporter = reporter;
    this.#host = host;
    this.leaseMs = settings.leaseMs ?? engine.settings.leaseMs;
    const error = (cause: unknown): void => this.error(cause);
    // While many ends are unconfirmed more jobs would only pile up behind them.
    this.#outbox = new Outbox(engine, Math.max(1_000, 4 * count), () => this.#storeAnswered(), error);
    const maxDelayMs = (): number => engine.maxDelayMs;
    this.#judge = new Judge(settings, engine.settings.defaults, { clock: engine.clock, maxDelayMs, error });
    this.#prefetch = new Prefetch(settings.prefetch, count);
    this.#unknown = new UnknownJobs(engine.clock, settings.unknownJobTimeoutMs);
    const { maxLosses = BUILT_IN.maxLosses } = engine.settings.defaults;
    this.#lastLife = new LastLife({ clock: engine.clock, maxLosses, changed: () => this.#pump() });
  }

  // Fetched

  appetite(): Appetite {
    const slots = this.#count - this.active;
    const room = Math.min(slots, this.#executor.room);
    // All children are being replaced: jobs that were fetched now would only wait here.
    if ((slots > 0 && room === 0) || this.#outbox.full || this.#lastLife.isHeld) return NO_APPETITE;
    const waiting = this.buffer.size;
    const free = room - waiting;
    const ahead = this.#onlyLives ? 0 : this.#prefetch.target;
    // Fetching ahead starts again at half, so that it goes in batches.
    if (free <= 0 && waiting * 2 > ahead) return NO_APPETITE;
    const left = this.#settings.maxJobs - this.started - waiting;
    const most = this.#mayBeCrowded ? 1 : Math.max(free, 0) + Math.max(ahead - waiting, 0);
    const max = Math.min(most, left);
    return { max, free: Math.max(0, Math.min(free, max)) };
  }

  get #mayBeCrowded(): boolean {
    return !this.#executor.isolates && this.#lastLife.isCrowded;
  }

  get idle(): boolean {
    return this.active === 0 && this.buffer.size === 0 && this.#outbox.unconfirmed === 0;
  }

  /** false when all of it went back at once to a store that cannot delay. */
  accept(taken: readonly Taken[]): boolean {
    const suspects: Attempt[] = [];
    let keeps = false;
    let onlyLives = false;
    for (const one of taken) {
      const attempt = new Attempt(this.#engine, this, one);
      this.hand.add(attempt);
      const { name, losses } = attempt.job;
      const verdict = this.#executor.handles(name) ? undefined : this.#unroutable(attempt);
      keeps ||= verdict?.retryInMs !== 0;
      if (verdict !== undefined) this.#close(attempt, verdict);
      else if (losses > 0) suspects.push(attempt);
      else this.buffer.put(attempt);
      onlyLives ||= losses === 0 && this.#lastLife.isOn(attempt);
    }
    if (taken.length > 0) this.#onlyLives = onlyLives;
    const surplus = this.#executor.isolates ? [] : this.#lastLife.surplus(suspects);
    for (const attempt of surplus) this.#close(attempt, this.#judge.handBack(attempt));
    // A job that lost a lease was given for a free slot: it goes before those that were fetched ahead.
    if (suspects.length > 0) this.buffer.putFirst(suspects.filter((attempt) => !surplus.includes(attempt)));
    if (!this.#open) this.handBack(() => true);
    this.#pump();
    return keeps;
  }

  #unroutable(attempt: Attempt): Verdict {
    const { id, name } = attempt.job;
    const delayMs = this.#unknown.delayFor(id);
    if (delayMs !== undefined) return { ...this.#judge.handBack(attempt, delayMs), unknown: true };
    const error = new JobferryError(
      "HANDLER_MISSING",
      `No worker had a route for jobs named "${name}" within unknownJobTimeout. Add the route, then retry the job.`,
    );
    return { ...this.#judge.refuse(attempt, error), unknown: true };
  }

  /** Of what was fetched ahead. */
  handBack(which: (attempt: Attempt) => boolean): void {
    for (const attempt of this.buffer.takeWhere(which)) this.#close(attempt, this.#judge.handBack(attempt));
  }

  /**
   * Long jobs took the slots: what was fetched ahead by guess goes back to where others find it. What the user asked for stays, and so do jobs that lost
   * leases: they were taken for a free slot, and one that waits for a child of its own would come back behind all others, again and again.
   */
  stalled(): void {
    if (!this.#prefetch.measures) return;
    this.#prefetch.stalled();
    this.handBack(({ job }) => job.losses === 0);
  }

  shut(): void {
    this.#open = false;
    this.handBack(() => true);
  }

  reopen(): void {
    this.#open = true;
  }

  // Running

  /** Starts what waits for slots. Not entered twice: handlers that return at once would nest as deep as the buffer is long. */
  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    try {
      while (this.active < this.#count && this.buffer.size > 0 && this.#open) {
        const attempt = this.buffer.takeFirst(this.#accepts);
        if (attempt === undefined) break;
        this.#begin(attempt);
      }
    } finally {
      this.#pumping = false;
    }
    if (this.started >= this.#settings.maxJobs) this.#host.maxJobs();
    if (this.idle) this.#host.idle();
    this.#host.hungry();
  }

  #begin(attempt: Attempt): void {
    // It waited here longer than its lease. If nobody has taken it yet it goes back at once; else the token refuses.
    if (attempt.lost || this.#ranOut(attempt)) return this.#close(attempt, this.#judge.handBack(attempt));
    const expired = this.#judge.expired(attempt);
    if (expired !== undefined) return this.#close(attempt, expired);
    this.active += 1;
    this.started += 1;
    attempt.phase = "running";
    attempt.ran = true;
    this.#lastLife.started(attempt);
    const timeout = this.#judge.timeout(attempt.envelope);
    if (timeout !== undefined) attempt.timer = this.#engine.clock.timer(timeout, () => this.#timeout(attempt, timeout));
    this.#executor.execute(attempt);
  }

  /**
   * Looks at the clock, which also begins to measure the handler. The monotonic clock costs a tenth of what the memory queue takes for a job, the
   * wall clock a third of that: where this one says that hardly any time has passed since the newest look, that look must do. A handler that blocked shows on
   * both; only a step back of the wall clock just then would hide it, and then the token refuses.
   */
  #ranOut(attempt: Attempt): boolean {
    const { clock } = this.#engine;
    const wall = clock.now();
    const sampled = !this.#prefetch.measures || this.started <= 2 * SAMPLE || this.started % SAMPLE === 0;
    const holds = Math.abs(wall - this.#lookedAtWall) < LOOK_HOLDS_MS;
    if (!sampled && holds && attempt.lease.endsAt > this.#lookedAt + LOOK_HOLDS_MS) return false;
    this.#lookedAtWall = wall;
    this.#lookedAt = clock.monotonic();
    if (sampled) attempt.startedAt = this.#lookedAt;
    return attempt.lease.endsAt <= this.#lookedAt;
  }

  #timeout(attempt: Attempt, timeout: number): void {
    attempt.abort(new JobferryError("TIMEOUT", `The attempt ran longer than its timeout of ${timeout} ms.`));
    this.#armGrace(attempt);
  }

  /** The lease is gone. A handler is told to stop; what it returns is still tried, and the token decides. */
  lost(attempt: Attempt): void {
    if (!attempt.ran) return; // seen when its turn comes
    this.#reporter.lost(attempt);
    if (attempt.aborted?.code === "LEASE_LOST") this.#armGrace(attempt); // else the grace runs already
  }

  #armGrace(attempt: Attempt): void {
    attempt.timer?.cancel();
    attempt.timer = this.#engine.clock.timer(this.#settings.abortGraceMs, () => this.#graceOver(attempt));
  }

  /** The handler ignored its signal. What it still returns is ignored; in this thread its slot stays taken until it settles. */
  #graceOver(attempt: Attempt): void {
    if (attempt.phase !== "closed") this.#giveUp(attempt, () => this.#judge.threw(attempt, attempt.aborted));
  }

  returned(attempt: Attempt, value: unknown): void {
    this.#free(attempt);
    if (attempt.phase !== "closed") {
      const outcome = outcomeOf(value);
      if (outcome === undefined) this.#complete(attempt, value);
      else this.#close(attempt, this.#judge.outcome(attempt, outcome));
    }
    this.#pump();
  }

  #complete(attempt: Attempt, value: unknown): void {
    attempt.value = value;
    try {
      attempt.result = this.#engine.encodeResult(value);
    } catch (cause) {
      // The work is done; only its result cannot be kept.
      const message = `The result of job ${attempt.job.id} cannot be kept, so the job is completed without: ${failureFrom(cause).message}`;
      this.error(new JobferryError("PAYLOAD_INVALID", message, { cause }));
    }
    this.#send(attempt);
  }

  threw(attempt: Attempt, error: unknown): void {
    this.#ended(attempt, () => this.#judge.threw(attempt, error));
  }

  died(attempt: Attempt, error: Error): void {
    this.#ended(attempt, () => this.#judge.workerDied(attempt, error));
  }

  #ended(attempt: Attempt, judge: () => Verdict): void {
    this.#free(attempt);
    if (attempt.phase !== "closed") this.#closeUnlessLost(attempt, judge);
    this.#pump();
  }

  roomier(): void {
    this.#pump();
  }

  error(cause: unknown): void {
    this.#reporter.error(cause);
  }

  #free(attempt: Attempt): void {
    attempt.timer?.cancel();
    this.active -= 1;
    if (attempt.startedAt !== undefined && this.#prefetch.measures)
      this.#prefetch.took(this.#engine.clock.monotonic() - attempt.startedAt);
  }

  // Ending

  /** Nobody waits for its handler any more. */
  #giveUp(attempt: Attempt, judge: () => Verdict): void {
    attempt.timer?.cancel();
    this.#closeUnlessLost(attempt, judge);
    if (!this.#executor.kill(attempt)) this.#reporter.stuck(attempt);
  }

  /** The end of an attempt that lost its lease is not the job's: it runs again elsewhere. */
  #closeUnlessLost(attempt: Attempt, judge: () => Verdict): void {
    if (attempt.lost) {
      this.#drop(attempt);
      return this.#lastLife.ended(attempt);
    }
    const verdict = judge();
    if (attempt.aborted?.code === "SHUTDOWN" && verdict.item.outcome === "release") this.handedBack += 1;
    this.#close(attempt, verdict);
  }

  #close(attempt: Attempt, verdict: Verdict): void {
    attempt.verdict = verdict;
    this.#send(attempt);
  }

  #send(attempt: Attempt): void {
    this.#outbox.send(attempt);
    this.#drop(attempt);
  }

  #drop(attempt: Attempt): void {
    attempt.phase = "closed";
    this.hand.remove(attempt);
    this.#conditions.changed();
  }

  settled(attempt: Attempt, result: FinishResult): void {
    this.#reporter.settled(attempt, result);
    this.#lastLife.ended(attempt);
  }

  #storeAnswered(): void {
    this.#conditions.changed();
    if (this.idle) this.#host.idle();
    this.#host.hungry();
  }

  // Stopping

  /** Resolves when no attempt is open: each has ended or was given up. */
  quiet(): Promise<void> {
    return this.#conditions.when(() => this.hand.size === 0);
  }

  /** Resolves when the store has answered for all that was sent. */
  confirmed(): Promise<void> {
    return this.#conditions.when(() => this.#outbox.unconfirmed === 0);
  }

  abortAll(): void {
    for (const attempt of [...this.hand.all()]) attempt.abort(shutdownError());
  }

  /** Handlers that did not stop in time: their jobs run again elsewhere, and what they still return is ignored. */
  giveBackAll(): void {
    for (const attempt of [...this.hand.all()]) this.#giveUp(attempt, () => this.#judge.handBack(attempt));
  }
}

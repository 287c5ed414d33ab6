import type { StoredJob } from "../contract/index.ts";
import type { Engine, Taken } from "../core/index.ts";
import { nextTurn, sleep } from "../runtime/index.ts";

const WAIT_MS = 30_000;
const FIRST_PAUSE_MS = 50;
const MAX_PAUSE_MS = 3_000;
/** A wait that ended sooner without a job was ended for nothing. */
const FOR_NOTHING_MS = 5;
const MAX_NOTHING_PAUSE_MS = 250;
const TURN_MS = 20;
/** Without a reason each abort would make an exception with a stack, 7 µs that nobody looks at. */
const NO_LONGER_WANTED = "no longer wanted";
const TURN_FETCHES = 100;

/** How much is wanted now: `max` in all, `free` of them for slots that start at once. */
export type Appetite = Readonly<{ max: number; free: number }>;

export interface FetchHost {
  appetite(): Appetite;
  /** Nothing runs, waits or is unconfirmed here. */
  readonly idle: boolean;
  /** false when everything went straight back to the store, which will bring it again. */
  accept(taken: readonly Taken[], died: readonly StoredJob[]): boolean;
  /** A fetch that would not wait found nothing while the host was idle. */
  foundNothing(): Promise<void>;
  error(error: unknown): void;
}

/** One loop that feeds the slots: asks for as many jobs as are wanted, waits while none are, and survives a store that is away. */
export class Fetcher {
  readonly #engine: Engine;
  readonly #order: () => readonly string[];
  readonly #leaseMs: number;
  readonly #untilEmpty: boolean;
  readonly #host: FetchHost;
  readonly #stop = new AbortController();
  #waiting: AbortController | undefined;
  #wake: (() => void) | undefined;
  #paused = false;
  #done: Promise<void> | undefined;
  #nothingPauseMs = 0;
  #lastTurn = 0;
  #fetches = 0;

  constructor(
    engine: Engine,
    order: () => readonly string[],
    options: Readonly<{ leaseMs: number; untilEmpty: boolean }>,
    host: FetchHost,
  ) {
    this.#engine = engine;
    this.#order = order;
    this.#leaseMs = options.leaseMs;
    this.#untilEmpty = options.untilEmpty;
    this.#host = host;
  }

  start(): void {
    if (!this.#stop.signal.aborted) this.#done ??= this.#run();
  }

  /** Resolves when no fetch is under way any more; what it still brought has been accepted. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#waiting?.abort(NO_LONGER_WANTED);
    this.#wake?.();
    await this.#done;
  }

  pause(): void {
    this.#paused = true;
    this.#waiting?.abort(NO_LONGER_WANTED);
  }

  resume(): void {
    this.#paused = false;
    this.hungry();
  }

  /** The appetite may have grown. */
  hungry(): void {
    this.#wake?.();
  }

  /** The host became idle: whoever works until nothing is left need not wait for more. */
  idle(): void {
    if (this.#untilEmpty) this.#waiting?.abort(NO_LONGER_WANTED);
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    const { clock } = this.#engine;
    let pause = FIRST_PAUSE_MS;
    while (!signal.aborted) {
      const appetite = this.#host.appetite();
      if (this.#paused || appetite.max <= 0) {
        await this.#untilHungry();
        continue;
      }
      try {
        const waits = this.#mayWait(appetite);
        const found = await this.#fetch(appetite, waits ? WAIT_MS : 0);
        if (!found) await this.#foundNothing(appetite, waits);
        pause = FIRST_PAUSE_MS;
        await this.#giveTurn();
      } catch (error) {
        if (signal.aborted) return;
        this.#host.error(error);
        await sleep(clock, pause * (0.5 + clock.random() / 2), signal);
        pause = Math.min(pause * 2, MAX_PAUSE_MS);
      }
    }
  }

  #untilHungry(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = (): void => {
        this.#wake = undefined;
        resolve();
      };
    });
  }

  async #fetch({ max, free }: Appetite, waitMs: number): Promise<boolean> {
    this.#waiting = new AbortController();
    const { signal } = this.#waiting;
    const sentAt = this.#engine.clock.monotonic();
    try {
      const { taken, died, unreadable, bounced } = await this.#engine.reserve({
        queues: this.#order(),
        max,
        free,
        leaseMs: this.#leaseMs,
        waitMs,
        signal,
      });
      const accepted = taken.length + died.length > 0 && this.#host.accept(taken, died);
      const found = accepted || unreadable > 0;
      const quick = this.#engine.clock.monotonic() - sentAt <= FOR_NOTHING_MS;
      const forNothing = !found && (quick || bounced + taken.length > 0) && waitMs > 0 && !signal.aborted;
      if (!forNothing) this.#nothingPauseMs = 0;
      else this.#nothingPauseMs = Math.min(Math.max(1, this.#nothingPauseMs * 2), MAX_NOTHING_PAUSE_MS);
      return found;
    } finally {
      this.#waiting = undefined;
    }
  }

  /**
   * A fetch ahead never waits: jobs that lost a lease are only given for a slot that is free, so a waiting fetch without one would hold
   * them up after a slot became free.
   */
  #mayWait({ free }: Appetite): boolean {
    return free > 0 && !(this.#untilEmpty && this.#host.idle);
  }

  async #foundNothing({ free }: Appetite, waited: boolean): Promise<void> {
    const { signal } = this.#stop;
    if (signal.aborted || this.#paused) return;
    if (waited) {
      if (this.#nothingPauseMs > 0) await sleep(this.#engine.clock, this.#nothingPauseMs, signal);
    } else if (free === 0) {
      if (this.#host.appetite().free === 0) await this.#untilHungry();
    } else if (this.#host.idle) {
      await this.#host.foundNothing();
      await sleep(this.#engine.clock, FIRST_PAUSE_MS, signal);
    }
  }

  /** Jobs and handlers that never wait for anything outside would keep timers, signals and sockets from their turn as long as there are jobs. */
  async #giveTurn(): Promise<void> {
    const now = this.#engine.clock.monotonic();
    this.#fetches += 1;
    if (this.#fetches < TURN_FETCHES && now - this.#lastTurn < TURN_MS) return;
    await new Promise<void>(nextTurn);
    this.#fetches = 0;
    this.#lastTurn = this.#engine.clock.monotonic();
  }
}

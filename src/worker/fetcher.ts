import type { StoredJob } from "../contract/index.ts";
import type { Engine, Taken } from "../core/index.ts";
import { nextTurn, sleep } from "../runtime/index.ts";

const WAIT_MS = 30_000;
const FIRST_PAUSE_MS = 50;
const MAX_PAUSE_MS = 3_000;
/** A store that answers in the same turn and handlers that do not wait would never let timers and I/O in. */
const MAX_TURN_MS = 5;

/** How much is wanted now: `max` in all, `free` of them for slots that start at once. */
export type Appetite = Readonly<{ max: number; free: number }>;

export interface FetchHost {
  appetite(): Appetite;
  accept(taken: readonly Taken[], died: readonly StoredJob[]): void;
  /** A fetch that would not wait found nothing. The next one is made when the appetite may have grown. */
  foundNothing(): void;
  error(error: unknown): void;
}

/** One loop that feeds the slots: asks for as many jobs as are wanted, waits while none are, and survives a store that is away. */
export class Fetcher {
  readonly #engine: Engine;
  readonly #order: () => readonly string[];
  readonly #leaseMs: number;
  readonly #waits: boolean;
  readonly #host: FetchHost;
  readonly #stop = new AbortController();
  #waiting: AbortController | undefined;
  #wake: (() => void) | undefined;
  #paused = false;
  #done: Promise<void> | undefined;

  constructor(
    engine: Engine,
    order: () => readonly string[],
    options: Readonly<{ leaseMs: number; waits: boolean }>,
    host: FetchHost,
  ) {
    this.#engine = engine;
    this.#order = order;
    this.#leaseMs = options.leaseMs;
    this.#waits = options.waits;
    this.#host = host;
  }

  start(): void {
    this.#done ??= this.#run();
  }

  /** Resolves when no fetch is under way any more; what it still brought has been accepted. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#waiting?.abort();
    this.#wake?.();
    await this.#done;
  }

  pause(): void {
    this.#paused = true;
    this.#waiting?.abort();
  }

  resume(): void {
    this.#paused = false;
    this.hungry();
  }

  /** The appetite may have grown. */
  hungry(): void {
    this.#wake?.();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    const { clock } = this.#engine;
    let pause = FIRST_PAUSE_MS;
    let turnAt = clock.monotonic();
    while (!signal.aborted) {
      if (clock.monotonic() - turnAt > MAX_TURN_MS) {
        await new Promise<void>(nextTurn);
        turnAt = clock.monotonic();
        continue; // it may have been stopped meanwhile
      }
      const appetite = this.#host.appetite();
      if (this.#paused || appetite.max <= 0) {
        await this.#appetite();
        continue;
      }
      try {
        await this.#fetch(appetite);
        pause = FIRST_PAUSE_MS;
      } catch (error) {
        if (signal.aborted) return;
        this.#host.error(error);
        await sleep(clock, pause * (0.5 + clock.random() / 2), signal);
        pause = Math.min(pause * 2, MAX_PAUSE_MS);
      }
    }
  }

  #appetite(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = (): void => {
        this.#wake = undefined;
        resolve();
      };
    });
  }

  async #fetch({ max, free }: Appetite): Promise<void> {
    this.#waiting = new AbortController();
    const waitMs = this.#waits ? WAIT_MS : 0;
    const call = { queues: this.#order(), max, free, leaseMs: this.#leaseMs, waitMs, signal: this.#waiting.signal };
    const { taken, died } = await this.#engine.reserve(call);
    this.#waiting = undefined;
    if (taken.length > 0 || died.length > 0) this.#host.accept(taken, died);
    else if (!this.#waits) {
      this.#host.foundNothing();
      if (!this.#stop.signal.aborted) await this.#appetite();
    }
  }
}

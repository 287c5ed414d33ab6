import { setImmediate as nextImmediate } from "node:timers/promises";
import type { Clock, Timer } from "../contract/index.ts";
import { invalidArgument } from "../errors/index.ts";
import { parseDuration } from "../runtime/index.ts";
import type { Duration } from "../runtime/index.ts";

/** How often promises and immediates get their turn before time goes on. Code that passes the event loop more often between two timers is not waited for. */
const SETTLE_ROUNDS = 3;

export type VirtualClockOptions = Readonly<{
  /** Where the wall clock starts, epoch milliseconds. Default: 2030-01-01T00:00:00Z. */
  now?: number;
  /** Of `random()`. The same seed gives the same numbers. Default: 1. */
  seed?: number;
}>;

/** A clock that stands still until it is told to go on. Give it to a queue and a test of an hour takes a millisecond. */
export interface VirtualClock extends Clock {
  /** Timers that are armed and have not fired. */
  readonly armed: number;
  /**
   * Lets `duration` pass. Timers that become due fire in the order of their times; after each one promises and immediates get their turn
   * before the next fires, so timers armed by what they started fire too. Calls made at the same time run one after the other.
   * @throws INVALID_ARGUMENT for a duration that is none. An error thrown by a timer's callback ends the advance and is passed on.
   */
  advance(duration: Duration): Promise<void>;
  /** Steps the wall clock, as an operator or NTP does. `monotonic()` and timers do not notice. */
  setWallClock(epochMs: number): void;
}

type Armed = { readonly at: number; readonly order: number; readonly callback: () => void };

const isLater = (a: Armed, b: Armed): boolean => a.at > b.at || (a.at === b.at && a.order > b.order);

class ManualClock implements VirtualClock {
  #monotonic = 0;
  #wallStart: number;
  #seed: number;
  #order = 0;
  /** Next one first. */
  readonly #timers: Armed[] = [];
  #advancing: Promise<void> = Promise.resolve();

  constructor(options: VirtualClockOptions) {
    this.#wallStart = options.now ?? Date.UTC(2030, 0, 1);
    this.#seed = options.seed ?? 1;
  }

  get armed(): number {
    return this.#timers.length;
  }

  now(): number {
    return this.#wallStart + this.#monotonic;
  }

  monotonic(): number {
    return this.#monotonic;
  }

  /** Mulberry32: short, and good enough for jitter. */
  random(): number {
    this.#seed = (this.#seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#seed ^ (this.#seed >>> 15), 1 | this.#seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  timer(delayMs: number, callback: () => void): Timer {
    if (!Number.isFinite(delayMs)) throw invalidArgument("delayMs", delayMs, "a finite number of milliseconds");
    const armed: Armed = { at: this.#monotonic + Math.max(0, delayMs), order: this.#order++, callback };
    this.#timers.splice(this.#placeOf(armed), 0, armed);
    return { cancel: () => this.#cancel(armed) };
  }

  setWallClock(epochMs: number): void {
    this.#wallStart = epochMs - this.#monotonic;
  }

  advance(duration: Duration): Promise<void> {
    const ms = parseDuration(duration, "advance");
    const done = this.#advancing.then(() => this.#run(ms));
    this.#advancing = done.catch(() => undefined);
    return done;
  }

  async #run(ms: number): Promise<void> {
    const end = this.#monotonic + ms;
    await settle();
    for (let next = this.#timers[0]; next !== undefined && next.at <= end; next = this.#timers[0]) {
      this.#timers.shift();
      this.#monotonic = next.at;
      next.callback();
      await settle();
    }
    this.#monotonic = end;
  }

  #cancel(armed: Armed): void {
    const index = this.#placeOf(armed);
    if (this.#timers[index] === armed) this.#timers.splice(index, 1);
  }

  /** Binary search: where it is, or would be. */
  #placeOf(armed: Armed): number {
    let low = 0;
    let high = this.#timers.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = this.#timers[middle];
      if (other !== undefined && isLater(armed, other)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

async function settle(): Promise<void> {
  for (let round = 0; round < SETTLE_ROUNDS; round += 1) await nextImmediate();
}

export function virtualClock(options: VirtualClockOptions = {}): VirtualClock {
  return new ManualClock(options);
}

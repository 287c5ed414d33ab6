import type { Clock } from "../contract/index.ts";

const FIRST_PAUSE_MS = 10_000;
const MAX_PAUSE_MS = 600_000;
/** Longer than the pauses between two tries of anything: a worker's upkeep comes every fifteen seconds. */
const LEAST_SILENCE_MS = 60_000;
/** Texts may hold names and numbers: those that were said longest ago are forgotten first. */
const MAX_TEXTS = 100;

type Told = { toldAt: number; pauseMs: number; lastAt: number; withheld: number };

/**
 * Thins out what would be said again and again while a store is away: a text is said at once, and then after pauses that grow from ten seconds to
 * ten minutes, with how often it came meanwhile. What did not come for as long as its pause, and at
 * least a minute, is news again.
 */
export class Repetitions {
  readonly #clock: Clock;
  readonly #told = new Map<string, Told>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** What to say for `text` now; undefined: it is only counted. */
  next(text: string): string | undefined {
    const now = this.#clock.monotonic();
    const told = this.#told.get(text);
    if (told === undefined || now - told.lastAt >= Math.max(told.pauseMs, LEAST_SILENCE_MS)) {
      this.#keep(text, { toldAt: now, pauseMs: FIRST_PAUSE_MS, lastAt: now, withheld: 0 });
      return text;
    }
    told.lastAt = now;
    if (now - told.toldAt < told.pauseMs) {
      told.withheld += 1;
      return undefined;
    }
    const count = told.withheld + 1;
    const seconds = Math.round((now - told.toldAt) / 1_000);
    const pauseMs = Math.min(told.pauseMs * 2, MAX_PAUSE_MS);
    this.#keep(text, { toldAt: now, pauseMs, lastAt: now, withheld: 0 });
    return count === 1 ? text : `${text} (${count} times within ${seconds} s)`;
  }

  #keep(text: string, told: Told): void {
    this.#told.delete(text);
    this.#told.set(text, told);
    const [oldest] = this.#told.keys();
    if (this.#told.size > MAX_TEXTS && oldest !== undefined) this.#told.delete(oldest);
  }
}

import type { Clock } from "../contract/index.ts";

const MAX_REMEMBERED = 10_000;
const FIRST_DELAY_MS = 1_000;
const MAX_DELAY_MS = 60_000;

/** Jobs that no route of this worker takes: how long to hand each back, until it has been seen for too long. */
export class UnknownJobs {
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #seen = new Map<string, { readonly since: number; delayMs: number }>();

  constructor(clock: Clock, timeoutMs: number) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  /** Milliseconds to hand it back for; undefined when its time is over. */
  delayFor(id: string): number | undefined {
    const now = this.#clock.monotonic();
    const seen = this.#seen.get(id) ?? { since: now, delayMs: FIRST_DELAY_MS / 2 };
    const left = seen.since + this.#timeoutMs - now;
    if (left <= 0) {
      this.#seen.delete(id);
      return undefined;
    }
    seen.delayMs = Math.min(seen.delayMs * 2, MAX_DELAY_MS);
    this.#remember(id, seen);
    return Math.min(seen.delayMs, Math.max(left, 1));
  }

  /** Bounded: when more are about, the one that was seen longest ago starts anew. */
  #remember(id: string, seen: { readonly since: number; delayMs: number }): void {
    this.#seen.delete(id);
    this.#seen.set(id, seen);
    const [oldest] = this.#seen.keys();
    if (this.#seen.size > MAX_REMEMBERED && oldest !== undefined) this.#seen.delete(oldest);
  }
}

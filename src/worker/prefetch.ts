const AHEAD_MS = 20;
const MAX_AHEAD = 200;
/** Weight of the newest handler in the mean. */
const SHARE = 0.05;

/**
 * How many jobs to fetch ahead: as many as the slots start within 20 ms, so that short jobs come in large batches and long ones stay with
 * the store, where other workers find them. Without a measurement, and for jobs longer than that, none.
 */
export class Prefetch {
  readonly #fixed: number | undefined;
  readonly #concurrency: number;
  #meanMs: number | undefined;

  constructor(option: number | "auto", concurrency: number) {
    this.#fixed = option === "auto" ? undefined : option;
    this.#concurrency = concurrency;
  }

  get measures(): boolean {
    return this.#fixed === undefined;
  }

  took(durationMs: number): void {
    this.#meanMs = this.#meanMs === undefined ? durationMs : this.#meanMs + (durationMs - this.#meanMs) * SHARE;
  }

  get target(): number {
    if (this.#fixed !== undefined) return this.#fixed;
    if (this.#meanMs === undefined || this.#meanMs > AHEAD_MS) return 0;
    return Math.min(MAX_AHEAD, Math.floor((this.#concurrency * AHEAD_MS) / Math.max(this.#meanMs, 0.05)));
  }
}

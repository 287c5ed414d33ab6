const AHEAD_MS = 20;
const MAX_AHEAD = 200;
/** Weight of the newest handler in the mean. */
const SHARE = 0.05;
/** A very long handler must not keep short ones from being fetched ahead for hundreds of jobs. */
const MAX_SAMPLE_MS = 1_000;

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
    const sample = Math.min(durationMs, MAX_SAMPLE_MS);
    this.#meanMs = this.#meanMs === undefined ? sample : this.#meanMs + (sample - this.#meanMs) * SHARE;
  }

  /** What was fetched ahead did not start: as if a handler had taken very long. */
  stalled(): void {
    this.#meanMs = MAX_SAMPLE_MS;
  }

  get target(): number {
    if (this.#fixed !== undefined) return this.#fixed;
    if (this.#meanMs === undefined || this.#meanMs > AHEAD_MS) return 0;
    return Math.min(MAX_AHEAD, Math.floor((this.#concurrency * AHEAD_MS) / Math.max(this.#meanMs, 0.05)));
  }
}

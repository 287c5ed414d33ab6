import type { Clock } from "../../contract/index.ts";

const FIRST_DELAY_MS = 100;
const MAX_DELAY_MS = 30_000;
/** A child that worked for so long was no part of a crash loop. */
const HEALTHY_MS = 10_000;

/** How long to wait before the next child: nothing after a single death, then twice as long each time, with jitter. */
export class Restarts {
  readonly #clock: Clock;
  #inARow = 0;
  #readyAt: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A child has loaded its module. */
  ready(): void {
    this.#readyAt = this.#clock.monotonic();
  }

  died(): Readonly<{ delayMs: number; inARow: number }> {
    if (this.#readyAt !== undefined && this.#clock.monotonic() - this.#readyAt >= HEALTHY_MS) this.#inARow = 0;
    this.#readyAt = undefined;
    this.#inARow += 1;
    const full = Math.min(FIRST_DELAY_MS * 2 ** (this.#inARow - 2), MAX_DELAY_MS);
    return { delayMs: this.#inARow === 1 ? 0 : full * (0.5 + this.#clock.random() / 2), inARow: this.#inARow };
  }
}

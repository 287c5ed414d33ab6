import type { Clock } from "../../contract/index.ts";
import { JobferryError } from "../../errors/index.ts";

const READ_EVERY_MS = 1_000;

/** How many jobs wait in the whole store, so that it is not filled: read at most every second, and counted on by what this process pushes. */
export class Backlog {
  readonly #clock: Clock;
  readonly #max: number;
  readonly #read: () => Promise<number>;
  #waiting = 0;
  #readAt = -Infinity;

  constructor(clock: Clock, max: number, read: () => Promise<number>) {
    this.#clock = clock;
    this.#max = max;
    this.#read = read;
  }

  /** How many more it takes. */
  async room(): Promise<number> {
    if (this.#max === Infinity) return Infinity;
    const isOld = this.#clock.monotonic() - this.#readAt >= READ_EVERY_MS;
    if (isOld || this.#waiting >= this.#max) {
      this.#readAt = this.#clock.monotonic();
      this.#waiting = await this.#read();
    }
    return Math.max(0, this.#max - this.#waiting);
  }

  pushed(jobs: number): void {
    this.#waiting += jobs;
  }

  full(): JobferryError {
    return new JobferryError(
      "STORE_FULL",
      `${this.#max} jobs wait already, as many as maxBacklog allows in this store. Let workers catch up and try again, raise maxBacklog, or use a backend made for long queues.`,
      { retryable: true },
    );
  }
}

import type { Clock, Timer } from "../../contract/index.ts";
import type { Bell } from "../../runtime/index.ts";
import type { FileWatch } from "./file-watch.ts";
import { POLL_MS } from "./limits.ts";

/**
 * Wakes the watches of one client: after its own writes, by the file watch after those of other processes, and every second anyway. The same
 * timer looks for sessions past their time, at the next end of one.
 */
export class CoordinationHints {
  readonly #clock: Clock;
  readonly #bells = new Set<Bell>();
  readonly #file: FileWatch | undefined;
  /** Ends what is past its time; tells in how many milliseconds the next session ends. Never rejects. */
  readonly #endExpired: () => Promise<number>;
  #timer: Timer | undefined;
  #closed = false;

  constructor(clock: Clock, endExpired: () => Promise<number>, file: (changed: () => void) => FileWatch | undefined) {
    this.#clock = clock;
    this.#endExpired = endExpired;
    this.#file = file(this.ring);
  }

  readonly ring = (): void => {
    for (const bell of this.#bells) bell.ring();
  };

  add(bell: Bell): void {
    this.#bells.add(bell);
    if (this.#bells.size > 1) return;
    this.#file?.start();
    void this.#tick();
  }

  remove(bell: Bell): void {
    this.#bells.delete(bell);
    if (this.#bells.size === 0) this.#rest();
  }

  close(): void {
    this.#closed = true;
    this.#rest();
    this.ring();
  }

  #rest(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#file?.stop();
  }

  async #tick(): Promise<void> {
    const next = await this.#endExpired();
    if (this.#closed || this.#bells.size === 0) return;
    // Again where it was lost: the WAL file may not have been there yet.
    this.#file?.start();
    this.ring();
    this.#timer?.cancel();
    this.#timer = this.#clock.timer(Math.min(POLL_MS, Math.max(1, next)), () => void this.#tick(), {
      keepAlive: false,
    });
  }
}

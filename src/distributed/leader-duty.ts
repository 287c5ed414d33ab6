import type { Clock, Logger, Timer } from "../contract/index.ts";
import type { Leadership } from "../cluster/index.ts";

export type DutyParts = Readonly<{
  clock: Clock;
  logger: Logger;
  everyMs: number;
  /** For the warning when it fails, such as "The plan of slots could not be made." */
  failure: string;
  /** Must bear being done by two nodes at once. */
  run(leadership: Leadership): Promise<void>;
}>;

/**
 * What the leader does again and again for as long as it leads. A round that fails is told once and tried again with the next one; the next
 * one comes only when the last has ended, so a store that hangs slows this duty alone.
 */
export class LeaderDuty {
  readonly #parts: DutyParts;
  #timer: Timer | undefined;
  #leadership: Leadership | undefined;
  #isBroken = false;
  #running: Promise<void> = Promise.resolve();

  constructor(parts: DutyParts) {
    this.#parts = parts;
  }

  lead(leadership: Leadership): void {
    this.#leadership = leadership;
    this.#isBroken = false;
    this.#arm(0);
  }

  /** Resolves when the round that runs has ended. */
  async rest(): Promise<void> {
    this.#leadership = undefined;
    this.#timer?.cancel();
    await this.#running;
  }

  #arm(delayMs: number): void {
    this.#timer?.cancel();
    const next = (): void => {
      this.#running = this.#round();
    };
    this.#timer = this.#parts.clock.timer(delayMs, next, { keepAlive: false });
  }

  async #round(): Promise<void> {
    const leadership = this.#leadership;
    if (leadership === undefined) return;
    const { logger, everyMs, failure } = this.#parts;
    try {
      await this.#parts.run(leadership);
      this.#isBroken = false;
    } catch (error) {
      if (this.#leadership === leadership && !this.#isBroken) logger.warn({ err: error }, failure);
      this.#isBroken = true;
    }
    if (this.#leadership === leadership) this.#arm(everyMs);
  }
}

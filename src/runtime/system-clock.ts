import type { Clock, Timer, TimerOptions } from "../contract/index.ts";

/** The longest delay that the platform's timers take; longer ones are armed in steps. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

class SystemTimer implements Timer {
  #handle: ReturnType<typeof setTimeout> | undefined;
  readonly #end: number;
  readonly #callback: () => void;
  readonly #keepAlive: boolean;

  constructor(delayMs: number, callback: () => void, keepAlive: boolean) {
    this.#end = performance.now() + delayMs;
    this.#callback = callback;
    this.#keepAlive = keepAlive;
    this.#arm();
  }

  cancel(): void {
    clearTimeout(this.#handle);
    this.#handle = undefined;
  }

  #arm(): void {
    // Node truncates a fractional delay and may fire up to 1 ms early: round up, and arm again for the rest.
    const left = Math.max(0, Math.ceil(this.#end - performance.now()));
    this.#handle = setTimeout(this.#fire, Math.min(left, MAX_TIMEOUT_MS));
    if (!this.#keepAlive) this.#handle.unref();
  }

  readonly #fire = (): void => {
    if (performance.now() < this.#end) return this.#arm();
    this.#handle = undefined;
    this.#callback();
  };
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  timer: (delayMs: number, callback: () => void, options?: TimerOptions): Timer =>
    new SystemTimer(delayMs, callback, options?.keepAlive ?? true),
  random: () => Math.random(),
};

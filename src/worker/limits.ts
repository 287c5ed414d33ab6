import type { Clock, Timer } from "../contract/index.ts";
import { residentMemory } from "../runtime/index.ts";

const MEMORY_CHECK_MS = 1_000;
const DAY_MS = 86_400_000;

export type LimitReached = (reason: "maxTime" | "maxMemory") => void;

/** How long a worker may run and how much memory its process may use. It also keeps the process alive, whatever the driver waits with. */
export class Limits {
  readonly #clock: Clock;
  readonly #maxTimeMs: number;
  readonly #maxMemory: number;
  readonly #reached: LimitReached;
  readonly #timers = new Map<string, Timer>();

  constructor(clock: Clock, options: Readonly<{ maxTimeMs: number; maxMemory: number }>, reached: LimitReached) {
    this.#clock = clock;
    this.#maxTimeMs = options.maxTimeMs;
    this.#maxMemory = options.maxMemory;
    this.#reached = reached;
  }

  start(): void {
    this.#keepAlive();
    if (this.#maxTimeMs < Infinity) this.#arm("maxTime", this.#maxTimeMs, () => this.#reached("maxTime"));
    if (this.#maxMemory < Infinity) this.#watchMemory();
  }

  stop(): void {
    for (const timer of this.#timers.values()) timer.cancel();
    this.#timers.clear();
  }

  #arm(name: string, delayMs: number, callback: () => void): void {
    this.#timers.set(name, this.#clock.timer(delayMs, callback, { keepAlive: false }));
  }

  #keepAlive(): void {
    const timer = this.#clock.timer(DAY_MS, () => this.#keepAlive());
    this.#timers.set("keepAlive", timer);
  }

  /** Not at the start: a limit below what the bare process needs would end every worker before its first job. */
  #watchMemory(): void {
    this.#arm("memory", MEMORY_CHECK_MS, () => {
      if (residentMemory() > this.#maxMemory) this.#reached("maxMemory");
      else this.#watchMemory();
    });
  }
}

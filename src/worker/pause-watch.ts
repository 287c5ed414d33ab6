import type { Timer } from "../contract/index.ts";
import type { Engine } from "../core/index.ts";

const PERIOD_MS = 1_000;

/**
 * A queue that is paused gives nothing new, but jobs that were fetched ahead lie here. While some do, this asks once a second whether
 * their queues are paused. Short jobs never lie here that long, so the check costs only those who fetch slow jobs ahead.
 */
export class PauseWatch {
  readonly #engine: Engine;
  readonly #onPaused: (queues: ReadonlySet<string>) => void;
  readonly #onError: (error: unknown) => void;
  #timer: Timer | undefined;
  #stopped = false;

  constructor(engine: Engine, onPaused: (queues: ReadonlySet<string>) => void, onError: (error: unknown) => void) {
    this.#engine = engine;
    this.#onPaused = onPaused;
    this.#onError = onError;
  }

  /** `queues` tells which queues have jobs that wait here; none ends the watch. */
  watch(queues: () => ReadonlySet<string>): void {
    if (this.#timer !== undefined || this.#stopped || this.#engine.capabilities.pause.support === "unsupported") return;
    this.#timer = this.#engine.clock.timer(
      PERIOD_MS,
      () => {
        this.#check(queues).catch(this.#onError);
      },
      { keepAlive: false },
    );
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  async #check(queues: () => ReadonlySet<string>): Promise<void> {
    const paused = new Set<string>();
    for (const queue of queues()) {
      const { paused: isPaused } = await this.#engine.call("stats", () => this.#engine.driver.stats(queue));
      if (isPaused) paused.add(queue);
    }
    this.#timer = undefined;
    if (paused.size > 0) this.#onPaused(paused);
    if (queues().size > 0) this.watch(queues);
  }
}

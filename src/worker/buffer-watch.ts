import type { Timer } from "../contract/index.ts";
import type { Engine } from "../core/index.ts";
import type { Attempt } from "./attempt.ts";
import type { Buffer } from "./buffer.ts";

const PERIOD_MS = 1_000;

export type BufferWatchHost = Readonly<{
  /** How many attempts were started so far. */
  started: () => number;
  handBack: (which: (attempt: Attempt) => boolean) => void;
  /** Nothing was started for a period: what was fetched ahead would wait here while other workers may be idle. */
  stalled: () => void;
  error: (error: unknown) => void;
}>;

/**
 * Looks once a second after jobs that were fetched ahead, while there are any: a queue that was paused gives nothing new, but these lie
 * here already, and long jobs may have come before them. Short jobs never lie here that long, so the check costs only those who fetch
 * slow jobs ahead.
 */
export class BufferWatch {
  readonly #engine: Engine;
  readonly #buffer: Buffer;
  readonly #host: BufferWatchHost;
  #timer: Timer | undefined;
  #checking = false;
  #stopped = false;
  #started = 0;

  constructor(engine: Engine, buffer: Buffer, host: BufferWatchHost) {
    this.#engine = engine;
    this.#buffer = buffer;
    this.#host = host;
  }

  /** Something was put into the buffer. */
  watch(): void {
    if (this.#timer !== undefined || this.#checking || this.#stopped || this.#buffer.size === 0) return;
    this.#started = this.#host.started();
    this.#timer = this.#engine.clock.timer(PERIOD_MS, () => this.#check(), { keepAlive: false });
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  #check(): void {
    this.#timer = undefined;
    if (this.#host.started() === this.#started) this.#host.stalled();
    this.#checking = true;
    this.#handBackPaused()
      .catch(this.#host.error)
      .finally(() => {
        this.#checking = false;
        this.watch();
      });
  }

  async #handBackPaused(): Promise<void> {
    if (this.#engine.capabilities.pause.support === "unsupported") return;
    for (const queue of new Set(this.#buffer.all().map((attempt) => attempt.job.queue))) {
      const { paused } = await this.#engine.call("stats", () => this.#engine.driver.stats(queue));
      if (paused && !this.#stopped) this.#host.handBack((attempt) => attempt.job.queue === queue);
    }
  }
}

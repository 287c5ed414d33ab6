import type { MaintainResult, StoredJob, Timer } from "../contract/index.ts";
import type { Engine } from "../core/index.ts";

const PERIOD_MS = 15_000;
const BATCH = 1_000;
/** Between two portions, so that work gets its turn and several processes do not race. */
const PAUSE_MS = 10;

export type UpkeepListener = Readonly<{ died: (jobs: readonly StoredJob[]) => void; error: (error: unknown) => void }>;

/**
 * Calls the driver's `maintain` now and then, with jitter, so that many workers do not all do it at once, and then portion by portion until
 * nothing is left. Safe in any number of processes.
 */
export class Upkeep {
  readonly #engine: Engine;
  readonly #listener: UpkeepListener;
  readonly #isNeeded: () => boolean;
  readonly #stop = new AbortController();
  #timer: Timer | undefined;
  #running: Promise<void> = Promise.resolve();

  /** `isNeeded` is asked each time; without it always. */
  constructor(engine: Engine, listener: UpkeepListener, isNeeded: () => boolean = () => true) {
    this.#isNeeded = isNeeded;
    this.#engine = engine;
    this.#listener = listener;
  }

  start(): void {
    this.#arm(this.#engine.clock.random() * PERIOD_MS);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    this.#timer?.cancel();
    await this.#running;
  }

  #arm(delayMs: number): void {
    if (this.#stop.signal.aborted) return;
    this.#timer = this.#engine.clock.timer(
      delayMs,
      () => {
        if (this.#isNeeded()) this.#running = this.#run();
        else this.#arm(PERIOD_MS * (0.75 + this.#engine.clock.random() / 2));
      },
      { keepAlive: false },
    );
  }

  async #run(): Promise<void> {
    let busy = false;
    try {
      const { driver } = this.#engine;
      const result = await this.#engine.call("maintain", () =>
        driver.maintain({ max: BATCH, signal: this.#stop.signal }),
      );
      if (result.died.length > 0) this.#listener.died(result.died);
      busy = isMore(result);
    } catch (error) {
      this.#listener.error(error);
    }
    this.#arm(busy ? PAUSE_MS : PERIOD_MS * (0.75 + this.#engine.clock.random() / 2));
  }
}

/** A portion was full, so there may be more. */
function isMore({ promoted, recovered, pruned, died }: MaintainResult): boolean {
  return promoted >= BATCH || recovered + died.length >= BATCH || pruned >= BATCH;
}

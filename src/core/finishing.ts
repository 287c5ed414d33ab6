import type { Driver, FinishItem, FinishResult } from "../contract/index.ts";
import { JobferryError } from "../errors/index.ts";
import { sleep } from "../runtime/index.ts";
import { Lane } from "./lane.ts";
import type { Lease } from "./lease.ts";
import type { QueueSettings } from "./queue-options.ts";
import { wrapError } from "./wrap-error.ts";

export type Finish = Readonly<{ item: FinishItem; lease: Lease }>;

const MAX_ITEMS = 1_000;

/** Finishes reservations in batches and repeats what is unknown under the same token until the lease must have ended. */
export class Finishing {
  readonly #driver: Driver<never>;
  readonly #settings: QueueSettings;
  readonly #lane: Lane<Finish, FinishResult>;

  constructor(driver: Driver<never>, settings: QueueSettings) {
    this.#driver = driver;
    this.#settings = settings;
    this.#lane = new Lane((items) => this.#send(items), { items: MAX_ITEMS, bytes: Infinity });
  }

  /** `unknown` only after every lease of the batch has ended. Never rejects for the store's sake. */
  finish(items: readonly Finish[]): Promise<readonly FinishResult[]> {
    return items.length <= MAX_ITEMS ? this.#lane.add(items, 0).answer : this.#finishMany(items);
  }

  async #finishMany(items: readonly Finish[]): Promise<readonly FinishResult[]> {
    const parts: Promise<readonly FinishResult[]>[] = [];
    for (let i = 0; i < items.length; i += MAX_ITEMS)
      parts.push(this.#lane.add(items.slice(i, i + MAX_ITEMS), 0).answer);
    return (await Promise.all(parts)).flat();
  }

  get idle(): boolean {
    return this.#lane.idle;
  }

  async #send(items: readonly Finish[]): Promise<readonly FinishResult[]> {
    const first = await this.#sendOnce(items);
    return first.includes("unknown") ? this.#repeat(items, [...first]) : first;
  }

  async #repeat(items: readonly Finish[], results: FinishResult[]): Promise<readonly FinishResult[]> {
    const { clock } = this.#settings;
    for (let pause = 25; ; pause = Math.min(pause * 2, 1_000)) {
      const now = clock.monotonic();
      const open = items.flatMap((finish, i) =>
        results[i] === "unknown" && finish.lease.endsAt > now ? [{ finish, i }] : [],
      );
      if (open.length === 0) return results;
      await sleep(clock, pause * (0.5 + clock.random() / 2));
      const again = await this.#sendOnce(open.map(({ finish }) => finish));
      for (const [k, { i }] of open.entries()) results[i] = again[k] ?? "unknown";
    }
  }

  async #sendOnce(items: readonly Finish[]): Promise<readonly FinishResult[]> {
    try {
      return await this.#driver.finish(items.map(({ item }) => item));
    } catch (cause) {
      const error = wrapError(this.#driver, cause, "finish");
      this.#settings.logger.warn({ code: error.code, jobs: items.length }, error.message);
      return items.map(() => "unknown");
    }
  }
}

export function finishUnknown(id: string): JobferryError {
  return new JobferryError(
    "FINISH_UNKNOWN",
    `The store did not confirm the end of job ${id} before its lease ended; the job may run again. Handlers must bear being run twice.`,
  );
}

import type { Driver, FinishItem, FinishResult } from "../contract/index.ts";
import { JobferryError } from "../errors/index.ts";
import { Repetitions, sleep } from "../runtime/index.ts";
import { Lane } from "./lane.ts";
import type { Lease } from "./lease.ts";
import type { QueueSettings } from "./queue-options.ts";
import { wrapError } from "./wrap-error.ts";

export type Finish = Readonly<{ item: FinishItem; lease: Lease }>;

const MAX_ITEMS = 1_000;

/**
 * Finishes reservations in batches and repeats what is unknown under the same token until the lease must have ended. What is repeated
 * waits outside of the lane: one finish that the store does not answer must not hold up those of other jobs until their leases end.
 */
export class Finishing {
  readonly #driver: Driver<never>;
  readonly #settings: QueueSettings;
  readonly #lane: Lane<Finish, FinishResult>;
  readonly #repeating = new Set<Promise<unknown>>();
  readonly #stop = new AbortController();
  readonly #repetitions: Repetitions;

  constructor(driver: Driver<never>, settings: QueueSettings) {
    this.#driver = driver;
    this.#settings = settings;
    this.#repetitions = new Repetitions(settings.clock);
    this.#lane = new Lane((items) => this.#send(items), { items: MAX_ITEMS, bytes: Infinity });
  }

  /** `unknown` only after the lease has ended, or after `stop`. Never rejects for the store's sake. */
  async finish(items: readonly Finish[]): Promise<readonly FinishResult[]> {
    const results = await this.#add(items);
    return results.includes("unknown") ? this.#repeated(items, [...results], () => undefined) : results;
  }

  async #repeated(
    items: readonly Finish[],
    results: FinishResult[],
    answered: (i: number) => void,
  ): Promise<readonly FinishResult[]> {
    const repeating = this.#repeat(items, results, answered);
    this.#repeating.add(repeating);
    try {
      return await repeating;
    } finally {
      this.#repeating.delete(repeating);
    }
  }

  /**
   * Tells each its answer as soon as that is known, and resolves when the store has answered for the batch. What is unknown is repeated
   * afterwards: nobody need wait for it before the next batch is sent.
   */
  async finishEach<F extends Finish>(
    items: readonly F[],
    tell: (item: F, result: FinishResult) => void,
  ): Promise<void> {
    const first = await this.#add(items);
    const open: F[] = [];
    // One that cannot be told takes no other with it.
    const told = (item: F, result: FinishResult): void => {
      try {
        tell(item, result);
      } catch (error) {
        this.#settings.logger.error({ err: error }, "What happened to a finish was not told.");
      }
    };
    for (let i = 0; i < items.length; i += 1) {
      const item = items[i];
      const result = first[i];
      if (item === undefined) continue;
      if (result === "ok" || result === "lost") told(item, result);
      else open.push(item);
    }
    if (open.length === 0) return;
    const results = open.map((): FinishResult => "unknown");
    const answered = (i: number): void => {
      const item = open[i];
      if (item !== undefined) told(item, results[i] ?? "unknown");
    };
    this.#repeated(open, results, answered).catch((error: unknown) =>
      this.#settings.logger.error({ jobs: open.length, err: error }, "What happened to some finishes was not told."),
    );
  }

  #add(items: readonly Finish[]): Promise<readonly FinishResult[]> {
    return items.length <= MAX_ITEMS ? this.#lane.add(items, 0).answer : this.#addMany(items);
  }

  async #addMany(items: readonly Finish[]): Promise<readonly FinishResult[]> {
    const parts: Promise<readonly FinishResult[]>[] = [];
    for (let i = 0; i < items.length; i += MAX_ITEMS)
      parts.push(this.#lane.add(items.slice(i, i + MAX_ITEMS), 0).answer);
    return (await Promise.all(parts)).flat();
  }

  /** Resolves when every finish has its answer, the repeated ones too. */
  async drained(): Promise<void> {
    await this.#lane.drained();
    while (this.#repeating.size > 0) await Promise.allSettled(this.#repeating);
    await this.#lane.drained();
  }

  /** The driver is closed: what is still unknown stays so. */
  stop(): void {
    this.#stop.abort();
  }

  get stopped(): boolean {
    return this.#stop.signal.aborted;
  }

  /** Writes into `results`, and calls `answered` once for each that was unknown, when nothing more will come for it. */
  async #repeat(
    items: readonly Finish[],
    results: FinishResult[],
    answered: (i: number) => void,
  ): Promise<readonly FinishResult[]> {
    const { clock } = this.#settings;
    let open = items.map((finish, i) => ({ finish, i })).filter(({ i }) => results[i] === "unknown");
    const keep = (goesOn: (one: (typeof open)[number], k: number) => boolean): void => {
      const kept = open.filter(goesOn);
      const still = new Set(kept);
      for (const one of open) if (!still.has(one)) answered(one.i);
      open = kept;
    };
    for (let pause = 25; ; pause = Math.min(pause * 2, 1_000)) {
      const now = clock.monotonic();
      keep(({ finish }) => finish.lease.endsAt > now && !this.stopped);
      if (open.length === 0) return results;
      await sleep(clock, pause * (0.5 + clock.random() / 2), this.#stop.signal);
      if (this.stopped) continue;
      const again = await this.#add(open.map(({ finish }) => finish));
      for (const [k, { i }] of open.entries()) if (again[k] === "ok") results[i] = "ok";
      // `lost` after `unknown` is no answer: it may be our own first try that ended the lease. It stays unknown.
      keep((_, k) => again[k] === "unknown");
    }
  }

  async #send(items: readonly Finish[]): Promise<readonly FinishResult[]> {
    if (this.stopped) return items.map(() => "unknown");
    try {
      const answers = await this.#driver.finish(items.map(({ item }) => item));
      return answers.length === items.length ? answers : items.map((_, i) => answers[i] ?? "unknown");
    } catch (cause) {
      const error = wrapError(this.#driver, cause, "finish");
      const message = this.#repetitions.next(error.message);
      if (message !== undefined) this.#settings.logger.warn({ code: error.code, jobs: items.length }, message);
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

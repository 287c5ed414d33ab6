/**
 * Jobs in one schema of a PostgreSQL server, shared by any number of processes.
 *
 * - A claim is atomic because one statement (a function of the schema) locks the first rows of the line with FOR UPDATE SKIP LOCKED, which
 *   nobody else waits for, and marks them as reserved. Its token is the job's place in the line, which changes on every way out of "reserved".
 * - A crash of a process leaves whole transactions; its leases run out. A crash of the server loses nothing that was answered, unless
 *   synchronous_commit is off, and then claims are still written through, so that no token is given twice.
 * - Nothing is emulated. Consumers are woken by NOTIFY where that arrives, and look by themselves now and then.
 * - The layout is in schema.ts, functions/ and docs/backends/postgres.md; why it is so, in docs/adr/0070 to 0076.
 */
import type {
  Capabilities,
  CoordinationStore,
  Driver,
  DriverContext,
  ErrorClass,
  ExtendItem,
  ExtendResult,
  FinishItem,
  FinishResult,
  MaintainResult,
  PushItem,
  PushResult,
  RecordStore,
  ReserveRequest,
  ReserveResult,
  StoredStats,
} from "../../contract/index.ts";
import { LifeCycle } from "../shared/life-cycle.ts";
import { portions } from "../shared/portions.ts";
import { lookThenWait } from "../shared/reserving.ts";
import { binaryArray } from "./arrays.ts";
import { pushInside, runInside } from "./caller-transaction.ts";
import type { PostgresTransaction } from "./client.ts";
import { postgresCoordinationStore } from "./coordination-store.ts";
import { AnswerLost, classify } from "./errors.ts";
import { extendResults, extendValues, finishResults, finishValues } from "./finish-jobs.ts";
import { jobRecords, jobsById, lastPlace } from "./job-records.ts";
import { MAX_ROWS } from "./limits.ts";
import { maintainStore } from "./maintenance.ts";
import { OpenStore } from "./open-store.ts";
import { resolveOptions } from "./options.ts";
import type { PostgresDriverOptions, Settings } from "./options.ts";
import { pushColumns, pushResults, sift, unknownPushes } from "./push-jobs.ts";
import { readStats } from "./statistics.ts";
import { labelOf } from "./target-label.ts";
import { storedText } from "./text.ts";

class PostgresDriver implements Driver<PostgresTransaction> {
  readonly name = "postgres";
  readonly records: RecordStore;
  readonly coordination: CoordinationStore;
  readonly #settings: Settings;
  readonly #label: string;
  readonly #life = new LifeCycle<OpenStore>("PostgreSQL driver");

  constructor(options: PostgresDriverOptions) {
    this.#settings = resolveOptions(options);
    this.#label = labelOf(this.#settings);
    this.records = jobRecords(() => this.#life.opened);
    this.coordination = postgresCoordinationStore(options);
  }

  async open(context: DriverContext): Promise<Capabilities> {
    const store = await this.#life.open(() => OpenStore.open(this.#settings, context, this.#label));
    return store.capabilities;
  }

  close(): Promise<void> {
    return this.#life.close((store) => store?.close());
  }

  classify(error: unknown): ErrorClass {
    return classify(error, this.#label);
  }

  async push(
    jobs: readonly PushItem[],
    options?: Readonly<{ transaction?: PostgresTransaction }>,
  ): Promise<readonly PushResult[]> {
    const store = this.#life.opened;
    const { good, merge } = sift(jobs, store.context.clock.now());
    const transaction = options?.transaction;
    const results: PushResult[] = [];
    for (const part of portions(good, MAX_ROWS)) {
      results.push(
        ...(transaction === undefined
          ? await this.#push(store, part)
          : await this.#pushInside(store, part, transaction)),
      );
    }
    return merge(results);
  }

  async #push(store: OpenStore, jobs: readonly PushItem[]): Promise<readonly PushResult[]> {
    try {
      const [row] = await store.query("push", pushColumns(jobs).map(binaryArray));
      const results = pushResults(jobs, row?.[0]);
      this.#pushed(store, jobs, results);
      return results;
    } catch (error) {
      if (error instanceof AnswerLost) return unknownPushes(jobs);
      throw error;
    }
  }

  #pushed(store: OpenStore, jobs: readonly PushItem[], results: readonly PushResult[]): void {
    const ready = new Map<string, number>();
    for (const [i, { queue, delayMs, runAt }] of jobs.entries()) {
      if (results[i]?.status !== "stored") continue;
      if (delayMs > 0 || runAt !== undefined) store.delayed(queue);
      else ready.set(queue, (ready.get(queue) ?? 0) + 1);
    }
    for (const [queue, count] of ready) store.wake(queue, count);
  }

  /** Consumers are told by the commit. */
  async #pushInside(
    store: OpenStore,
    jobs: readonly PushItem[],
    transaction: PostgresTransaction,
  ): Promise<readonly PushResult[]> {
    const { schema, notify } = this.#settings;
    const { text, values } = pushInside(schema, notify ? store.channel : undefined, pushColumns(jobs));
    return pushResults(jobs, await runInside(transaction, text, values));
  }

  async reserve(request: ReserveRequest): Promise<ReserveResult> {
    const store = this.#life.opened;
    return lookThenWait(request, {
      clock: store.context.clock,
      closed: this.#life.closed,
      look: () => store.claim(request),
      wait: (first, waitMs) => store.waiting.wait(request, first, waitMs),
    });
  }

  async finish(items: readonly FinishItem[]): Promise<readonly FinishResult[]> {
    const store = this.#life.opened;
    const results: FinishResult[] = [];
    for (const part of portions(items, MAX_ROWS)) results.push(...(await this.#finish(store, part)));
    return results;
  }

  async #finish(store: OpenStore, items: readonly FinishItem[]): Promise<readonly FinishResult[]> {
    try {
      const [row] = await store.query("finish", finishValues(items, store.kept));
      const { results, died } = finishResults(items, row?.[0]);
      if (died.length > 0) await this.#report(store, died);
      for (const [i, item] of items.entries()) {
        if (item.outcome !== "release" || results[i] !== "ok") continue;
        if (item.delayMs > 0) store.delayed(item.reservation.job.queue);
        else store.wake(item.reservation.job.queue, 1);
      }
      return results;
    } catch (error) {
      if (error instanceof AnswerLost) return items.map(() => "unknown");
      throw error;
    }
  }

  /** What is lost here is found among the failed jobs only. */
  async #report(store: OpenStore, died: readonly FinishItem[]): Promise<void> {
    const ids = died.map(({ reservation }) => storedText(reservation.job.id));
    const jobs = await jobsById(store, ids).catch(() => []);
    store.died.add(jobs.map(({ job }) => job).filter(({ state }) => state === "failed"));
  }

  async extend(items: readonly ExtendItem[]): Promise<readonly ExtendResult[]> {
    const store = this.#life.opened;
    const results: ExtendResult[] = [];
    for (const part of portions(items, MAX_ROWS)) {
      const [row] = await store.query("extend", extendValues(part));
      results.push(...extendResults(part, row?.[0]));
    }
    return results;
  }

  async maintain(options: Readonly<{ max: number; signal?: AbortSignal | undefined }>): Promise<MaintainResult> {
    return maintainStore(this.#life.opened, options);
  }

  async queues(): Promise<readonly string[]> {
    return (await this.#life.opened.queueNames()).map(({ name }) => name);
  }

  async stats(queue?: string): Promise<StoredStats> {
    return readStats(this.#life.opened, queue);
  }

  async clear(queue?: string): Promise<Readonly<{ removed: number }>> {
    // What is pushed meanwhile stays: a producer that never stops would keep this from ending, and a portion can arrive long after it was given up.
    const upTo = await lastPlace(this.#life.opened);
    let removed = 0;
    for (;;) {
      const name = queue === undefined ? null : storedText(queue);
      const [row] = await this.#life.opened.query("clear", [name, upTo, MAX_ROWS]);
      const part = Number(row?.[0]);
      removed += part;
      if (part === 0) return { removed };
    }
  }

  async pause(queue: string): Promise<void> {
    await this.#setPaused(queue, true);
  }

  async resume(queue: string): Promise<void> {
    await this.#setPaused(queue, false);
    this.#life.opened.wake(queue, Infinity);
  }

  /** One whose answer never came may arrive behind a later one, and is refused then: so it is written also where nothing changes. */
  async #setPaused(queue: string, isPaused: boolean): Promise<void> {
    const name = storedText(queue);
    for (;;) {
      const [last] = await this.#life.opened.query("pausing", [name]);
      const set = await this.#life.opened.query("setPaused", [name, isPaused, last?.[0] ?? null]);
      if (set.length > 0) return;
    }
  }
}

/**
 * A driver for a schema of a PostgreSQL server, 12 or newer, through `pg`.
 * @throws INVALID_ARGUMENT for an option that is unknown or wrong.
 */
export function postgresDriver(options: PostgresDriverOptions): Driver<PostgresTransaction> {
  return new PostgresDriver(options);
}

/**
 * Jobs in one SQLite file, shared by any number of processes of one machine.
 *
 * - A claim is atomic because it reads the front of the line and marks it as reserved inside one BEGIN IMMEDIATE: SQLite lets a single
 *   connection write at a time.
 * - A crash (SIGKILL included) leaves whole transactions only. What was committed is there, leases of the dead run out, and the next process
 *   that opens the file finds nothing to repair. A loss of power can cost the newest commits unless `durability` is "power".
 * - Nothing is emulated. Waiting is: consumers are woken by a watch on the WAL file and look again every second.
 * - The layout is in schema.ts and docs/backends/sqlite.md; why it is so, in docs/adr/0020 to 0025.
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
  Retention,
  StoredStats,
} from "../../contract/index.ts";
import { JobferryError } from "../../errors/index.ts";
import { CallerTransactions } from "./caller-transaction.ts";
import { clearPortion } from "./clearing.ts";
import type { SqliteDatabase } from "./database.ts";
import { classify, closed, isBusy, isFull } from "./errors.ts";
import { extendLeases, finishJobs } from "./finish-jobs.ts";
import type { Kept } from "./finish-jobs.ts";
import { sqliteCoordinationStore } from "./coordination-store.ts";
import { jobRecords } from "./job-records.ts";
import { portions } from "./limits.ts";
import { maintainStore } from "./maintenance.ts";
import { OpenStore } from "./open-store.ts";
import { resolveOptions } from "./options.ts";
import type { Settings, SqliteDriverOptions } from "./options.ts";
import { pushJobs, sizeOf } from "./push-jobs.ts";
import { readStats } from "./statistics.ts";

const NOTHING: ReserveResult = { reservations: [], died: [], nextDueInMs: undefined };

class SqliteDriver implements Driver<SqliteDatabase> {
  readonly name = "sqlite";
  readonly records: RecordStore;
  /** Of a database in memory a second connection would be a second one. */
  readonly coordination: CoordinationStore | undefined;
  readonly #settings: Settings;
  #opening: Promise<OpenStore> | undefined;
  #open: OpenStore | undefined;
  #closing: Promise<void> | undefined;
  #callers: CallerTransactions | undefined;
  #kept: Kept = { completed: false, failed: true };

  constructor(options: SqliteDriverOptions) {
    this.#settings = resolveOptions(options);
    this.records = jobRecords(() => this.#store);
    this.coordination = this.#settings.target.kind === "file" ? sqliteCoordinationStore(options) : undefined;
  }

  async open(context: DriverContext): Promise<Capabilities> {
    if (this.#closing !== undefined) throw closed();
    this.#opening ??= OpenStore.open(this.#settings, context);
    try {
      this.#open = await this.#opening;
    } catch (error) {
      this.#opening = undefined;
      throw error;
    }
    this.#callers ??= new CallerTransactions(context.clock, this.#open.leaseClock);
    this.#kept = { completed: keepsAny(context.retention.completed), failed: keepsAny(context.retention.failed) };
    return this.#open.capabilities;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const open = await this.#opening?.catch(() => undefined);
    await open?.close();
  }

  classify(error: unknown): ErrorClass {
    return classify(error);
  }

  /** @throws NOT_OPEN, CLOSED. */
  get #store(): OpenStore {
    if (this.#closing !== undefined) throw closed();
    if (this.#open === undefined)
      throw new JobferryError("NOT_OPEN", "The SQLite driver is not open. Call open() first.");
    return this.#open;
  }

  async push(
    jobs: readonly PushItem[],
    options?: Readonly<{ transaction?: SqliteDatabase }>,
  ): Promise<readonly PushResult[]> {
    const store = this.#store;
    if (options?.transaction !== undefined) return this.#callers?.push(options.transaction, jobs) ?? [];
    return inPortions(jobs, (part) => this.#pushPart(store, part));
  }

  /** A full disk and a lock that stayed are known to have stored nothing; of another failure of the file nobody knows, so it is thrown. */
  async #pushPart({ writes }: OpenStore, part: readonly PushItem[]): Promise<readonly PushResult[]> {
    try {
      return await writes.submit({ rows: part.length, bytes: sizeOf(part), run: (tx) => pushJobs(tx, part) });
    } catch (error) {
      if (!isBusy(error) && !isFull(error)) throw error;
      return part.map(() => ({ status: "failed", error }));
    }
  }

  async reserve(request: ReserveRequest): Promise<ReserveResult> {
    const store = this.#store;
    const { signal, waitMs } = request;
    if (signal?.aborted || request.max <= 0) return NOTHING;
    const { clock } = store.context;
    const started = waitMs > 0 ? clock.monotonic() : 0;
    const result = await store.claim(request, () => signal?.aborted === true);
    if (waitMs <= 0 || result.reservations.length > 0) return result;
    return store.waiting.wait(request, result, Math.max(0, waitMs - (clock.monotonic() - started)));
  }

  async finish(items: readonly FinishItem[]): Promise<readonly FinishResult[]> {
    const { writes } = this.#store;
    return inPortions(items, (part) =>
      writes.submit({ rows: part.length, bytes: 0, run: (tx) => finishJobs(tx, part, this.#kept) }),
    );
  }

  async extend(items: readonly ExtendItem[]): Promise<readonly ExtendResult[]> {
    const { writes } = this.#store;
    return inPortions(items, (part) =>
      writes.submit({ rows: part.length, bytes: 0, run: (tx) => extendLeases(tx, part) }),
    );
  }

  async maintain(options: Readonly<{ max: number; signal?: AbortSignal | undefined }>): Promise<MaintainResult> {
    return maintainStore(this.#store, options);
  }

  async queues(): Promise<readonly string[]> {
    const store = this.#store;
    const rows = await store.read(() => store.tx.sql.queues.all() as readonly Readonly<{ name: string }>[]);
    return rows.map(({ name }) => name);
  }

  async stats(queue?: string): Promise<StoredStats> {
    return readStats(this.#store, queue);
  }

  async clear(queue?: string): Promise<Readonly<{ removed: number }>> {
    const store = this.#store;
    const { tx, writes, database } = store;
    // What is pushed meanwhile stays: a producer that never stops would keep this from ending.
    const { seq } = await store.read(() => tx.sql.lastPlace.get() as Readonly<{ seq: number }>);
    let removed = 0;
    for (;;) {
      const part = await writes.submit({ rows: 1, bytes: 0, run: () => clearPortion(tx, database, queue, seq) });
      if (part === 0) return { removed };
      removed += part;
    }
  }

  async pause(queue: string): Promise<void> {
    await this.#setPaused(queue, 1);
  }

  async resume(queue: string): Promise<void> {
    await this.#setPaused(queue, 0);
  }

  #setPaused(queue: string, paused: 0 | 1): Promise<void> {
    return this.#store.writes.submit({
      rows: 1,
      bytes: 0,
      run: (tx) => {
        tx.sql.setPaused.run(paused, tx.queue(queue));
        if (paused === 0) tx.wake(queue, Infinity);
      },
    });
  }
}

async function inPortions<I, R>(
  items: readonly I[],
  write: (part: readonly I[]) => Promise<readonly R[]>,
): Promise<readonly R[]> {
  const [only, ...more] = portions(items);
  if (only === undefined || more.length === 0) return items.length === 0 ? [] : write(items);
  const results = await Promise.all([only, ...more].map(write));
  return results.flat();
}

function keepsAny({ count, ageMs }: Retention): boolean {
  return count > 0 && ageMs > 0;
}

/**
 * A driver for one SQLite file, on `node:sqlite`.
 * @throws INVALID_ARGUMENT for an option that is unknown or wrong.
 */
export function sqliteDriver(options: SqliteDriverOptions): Driver<SqliteDatabase> {
  return new SqliteDriver(options);
}

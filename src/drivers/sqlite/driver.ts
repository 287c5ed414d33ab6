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
  StoredStats,
} from "../../contract/index.ts";
import { LifeCycle } from "../shared/life-cycle.ts";
import { portions } from "../shared/portions.ts";
import { lookThenWait } from "../shared/reserving.ts";
import { clearPortion } from "./clearing.ts";
import type { SqliteDatabase } from "./database.ts";
import { classify, isBusy, isFull } from "./errors.ts";
import { extendLeases, finishJobs } from "./finish-jobs.ts";
import { sqliteCoordinationStore } from "./coordination-store.ts";
import { jobRecords } from "./job-records.ts";
import { MAX_ROWS } from "./limits.ts";
import { maintainStore } from "./maintenance.ts";
import { OpenStore } from "./open-store.ts";
import { resolveOptions } from "./options.ts";
import type { Settings, SqliteDriverOptions } from "./options.ts";
import { isOneStatement, pushJobs, sizeOf } from "./push-jobs.ts";
import { readStats } from "./statistics.ts";

class SqliteDriver implements Driver<SqliteDatabase> {
  readonly name = "sqlite";
  readonly records: RecordStore;
  /** Of a database in memory a second connection would be a second one. */
  readonly coordination: CoordinationStore | undefined;
  readonly #settings: Settings;
  readonly #life = new LifeCycle<OpenStore>("SQLite driver");

  constructor(options: SqliteDriverOptions) {
    this.#settings = resolveOptions(options);
    this.records = jobRecords(() => this.#life.opened);
    this.coordination = this.#settings.target.kind === "file" ? sqliteCoordinationStore(options) : undefined;
  }

  async open(context: DriverContext): Promise<Capabilities> {
    const store = await this.#life.open(() => OpenStore.open(this.#settings, context));
    return store.capabilities;
  }

  close(): Promise<void> {
    return this.#life.close((store) => store?.close());
  }

  classify(error: unknown): ErrorClass {
    return classify(error);
  }

  async push(
    jobs: readonly PushItem[],
    options?: Readonly<{ transaction?: SqliteDatabase }>,
  ): Promise<readonly PushResult[]> {
    const store = this.#life.opened;
    if (options?.transaction !== undefined) return store.callers.push(options.transaction, jobs);
    return await inPortions(jobs, (part) => this.#pushPart(store, part));
  }

  /** A full disk and a lock that stayed are known to have stored nothing; of another failure of the file nobody knows, so it is thrown. */
  async #pushPart({ writes }: OpenStore, part: readonly PushItem[]): Promise<readonly PushResult[]> {
    try {
      return await writes.submit({
        rows: part.length,
        bytes: sizeOf(part),
        run: (tx) => pushJobs(tx, part),
        isOneStatement: (tx) => isOneStatement(tx, part),
      });
    } catch (error) {
      if (!isBusy(error) && !isFull(error)) throw error;
      return part.map(() => ({ status: "failed", error }));
    }
  }

  async reserve(request: ReserveRequest): Promise<ReserveResult> {
    const store = this.#life.opened;
    return lookThenWait(request, {
      clock: store.context.clock,
      closed: this.#life.closed,
      look: (isOver) => store.claim(request, isOver),
      wait: (first, waitMs) => store.waiting.wait(request, first, waitMs),
    });
  }

  async finish(items: readonly FinishItem[]): Promise<readonly FinishResult[]> {
    const { writes, kept } = this.#life.opened;
    return inPortions(items, (part) =>
      writes.submit({ rows: part.length, bytes: 0, run: (tx) => finishJobs(tx, part, kept) }),
    );
  }

  async extend(items: readonly ExtendItem[]): Promise<readonly ExtendResult[]> {
    const { writes } = this.#life.opened;
    return inPortions(items, (part) =>
      writes.submit({ rows: part.length, bytes: 0, run: (tx) => extendLeases(tx, part) }),
    );
  }

  async maintain(options: Readonly<{ max: number; signal?: AbortSignal | undefined }>): Promise<MaintainResult> {
    return maintainStore(this.#life.opened, options);
  }

  async queues(): Promise<readonly string[]> {
    const store = this.#life.opened;
    const rows = await store.read(() => store.tx.sql.queues.all() as readonly Readonly<{ name: string }>[]);
    return rows.map(({ name }) => name);
  }

  async stats(queue?: string): Promise<StoredStats> {
    return readStats(this.#life.opened, queue);
  }

  async clear(queue?: string): Promise<Readonly<{ removed: number }>> {
    const store = this.#life.opened;
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
    return this.#life.opened.writes.submit({
      rows: 1,
      bytes: 0,
      run: (tx) => {
        tx.sql.setPaused.run(paused, tx.queue(queue));
        if (paused === 0) tx.wake(queue, Infinity);
      },
    });
  }
}

function inPortions<I, R>(
  items: readonly I[],
  write: (part: readonly I[]) => Promise<readonly R[]>,
): Promise<readonly R[]> {
  const parts = portions(items, MAX_ROWS);
  const [only] = parts;
  if (only === undefined) return Promise.resolve([]);
  if (parts.length === 1) return write(only);
  return Promise.all(parts.map(write)).then((results) => results.flat());
}

/**
 * A driver for one SQLite file, on `node:sqlite`.
 * @throws INVALID_ARGUMENT for an option that is unknown or wrong.
 */
export function sqliteDriver(options: SqliteDriverOptions): Driver<SqliteDatabase> {
  return new SqliteDriver(options);
}

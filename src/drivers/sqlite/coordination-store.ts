/**
 * Keys and sessions in the file of the jobs, shared by any number of processes of one machine.
 *
 * - A transaction is atomic because it is one BEGIN IMMEDIATE, in which SQLite lets a single connection write.
 * - A crash leaves whole transactions, and sessions that nobody renews: whoever sees one past its time (by the machine's monotonic clock)
 *   removes it and its keys in one transaction. That is every transaction and reading, and the timer of every client that watches.
 * - Watches are emulated: each area has the version of its last change, a watch on the WAL file is the hint to look at it, and every
 *   second it is looked at anyway. A watcher then compares the state with what it told.
 * - The layout is in schema.ts and docs/backends/sqlite.md.
 */
import type {
  Compare,
  CoordinationCapabilities,
  CoordinationContext,
  CoordinationEntry,
  CoordinationSession,
  CoordinationStore,
  CoordinationWrite,
  ErrorClass,
  Revision,
  TransactResult,
  WatchEvent,
} from "../../contract/index.ts";
import { JobferryError } from "../../errors/index.ts";
import { Bell, silentLogger } from "../../runtime/index.ts";
import {
  areaOf,
  checkKey,
  checkListing,
  checkPrefix,
  checkTransaction,
  checkTtl,
} from "../shared/coordination-arguments.ts";
import { WatchedState } from "../shared/watched-state.ts";
import { CoordinationHints } from "./coordination-hints.ts";
import { prepareCoordination } from "./coordination-statements.ts";
import type { CoordinationStatements } from "./coordination-statements.ts";
import { CoordinationWrites } from "./coordination-writes.ts";
import { classify } from "./errors.ts";
import { FileWatch } from "./file-watch.ts";
import { MAX_BYTES, MAX_ROWS, POLL_MS } from "./limits.ts";
import { OpenStore } from "./open-store.ts";
import { resolveOptions } from "./options.ts";
import type { Settings, SqliteDriverOptions } from "./options.ts";
import type { Transaction } from "./transaction.ts";

/** Behind every key of a prefix: keys are ASCII below it. */
const PAST = "\u007f";
const NO_RETENTION = { count: 0, ageMs: 0 };

type Row = Readonly<{ key: string; value: Uint8Array; version: number }>;
type Area = Readonly<{ changed: number; removed: number }>;

const entryOf = ({ key, value, version }: Row): CoordinationEntry => ({ key, value, version: String(version) });

type Opened = Readonly<{
  store: OpenStore;
  sql: CoordinationStatements;
  writes: CoordinationWrites;
  hints: CoordinationHints;
}>;

class SqliteCoordination implements CoordinationStore {
  readonly name = "sqlite";
  readonly capabilities: CoordinationCapabilities;
  readonly #settings: Settings;
  readonly #closed = new AbortController();
  #opening: Promise<Opened> | undefined;
  #opened: Opened | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: SqliteDriverOptions) {
    this.#settings = resolveOptions(options);
    this.capabilities = {
      shared: this.#settings.target.kind === "file",
      consistency: "linearizable",
      session: { minTtlMs: 100, maxTtlMs: 86_400_000, endFactor: 1, endLagMs: POLL_MS },
      watch: { lagMs: POLL_MS },
      limits: { keyBytes: 1_024, valueBytes: 1_048_576, operations: MAX_ROWS, transactionBytes: MAX_BYTES },
    };
  }

  async open(context: CoordinationContext): Promise<void> {
    if (this.#closing !== undefined) throw closed();
    this.#opening ??= this.#open(context);
    try {
      this.#opened = await this.#opening;
    } catch (error) {
      this.#opening = undefined;
      throw error;
    }
  }

  async #open({ clock }: CoordinationContext): Promise<Opened> {
    const retention = { completed: NO_RETENTION, failed: NO_RETENTION };
    const store = await OpenStore.open(this.#settings, { clock, logger: silentLogger, retention });
    const sql = prepareCoordination(store.database);
    const path = this.#settings.target.kind === "file" ? store.database.location() : null;
    const hints = new CoordinationHints(
      clock,
      () => this.#endExpired(),
      (changed) => (path === null ? undefined : new FileWatch(store.database, path, clock, changed)),
    );
    return { store, sql, writes: new CoordinationWrites(sql), hints };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#closed.abort();
    const opened = await this.#opening?.catch(() => undefined);
    opened?.hints.close();
    await opened?.store.close();
  }

  classify(error: unknown): ErrorClass {
    return classify(error);
  }

  /** @throws NOT_OPEN, CLOSED. */
  get #here(): Opened {
    if (this.#closing !== undefined) throw closed();
    if (this.#opened === undefined)
      throw new JobferryError("NOT_OPEN", "The SQLite store is not open. Call open() first.");
    return this.#opened;
  }

  async get(key: string): Promise<CoordinationEntry | undefined> {
    checkKey(key, this.capabilities.limits);
    const { store, sql } = await this.#fresh();
    const row = await store.read(() => sql.key.get(key) as Row | undefined);
    return row === undefined ? undefined : entryOf(row);
  }

  async list(
    prefix: string,
    options?: Readonly<{ limit?: number; after?: string }>,
  ): Promise<Readonly<{ entries: readonly CoordinationEntry[]; revision: Revision }>> {
    checkListing(prefix, options);
    const here = await this.#fresh();
    return here.store.read(() => {
      // Before the entries: what is written in between is then told again, and not missed.
      const revision = String(areaIn(here.sql, prefix).changed);
      return { entries: entriesIn(here.sql, prefix, options?.limit, options?.after), revision };
    });
  }

  async transact(compares: readonly Compare[], writes: readonly CoordinationWrite[]): Promise<TransactResult> {
    checkTransaction(compares, writes, this.capabilities.limits);
    // The transaction may have to wait for the file; what the program does to a value meanwhile must not be written.
    const kept = writes.map((write) => ("put" in write ? { ...write, value: write.value.slice() } : write));
    return this.#write((tx) => this.#here.writes.transact(tx, compares, kept));
  }

  async openSession(ttlMs: number): Promise<CoordinationSession> {
    checkTtl(ttlMs, this.capabilities.session);
    const id = await this.#write((tx) => this.#here.writes.openSession(tx, ttlMs));
    return {
      id,
      renew: async () => ((await this.#write((tx) => this.#here.writes.renew(tx, id))) ? "ok" : "lost"),
      close: () => this.#write((tx) => this.#here.writes.endSession(tx, id)),
    };
  }

  async *watch(
    prefix: string,
    options: Readonly<{ from?: Revision; signal: AbortSignal }>,
  ): AsyncGenerator<WatchEvent, void, undefined> {
    checkPrefix(prefix);
    const { store, sql, hints } = this.#here;
    const over = AbortSignal.any([options.signal, this.#closed.signal]);
    const bell = new Bell();
    over.addEventListener("abort", bell.ring, { once: true });
    hints.add(bell);
    try {
      const state = new WatchedState();
      const start = await store.read(() => ({ area: areaIn(sql, prefix), entries: entriesIn(sql, prefix) }));
      const from = options.from === undefined ? -1 : Number(options.from);
      let told = start.area.changed;
      if (from < start.area.removed) yield state.reset(start.entries, String(told));
      else {
        told = from;
        state.reset(
          start.entries.filter(({ version }) => Number(version) <= from),
          String(from),
        );
      }
      while (!over.aborted) {
        const area = await store.read(() => areaIn(sql, prefix));
        if (area.changed === told) await bell.wait();
        else {
          told = area.changed;
          const event = state.change(await store.read(() => entriesIn(sql, prefix)), String(told));
          if (event !== undefined) yield event;
        }
      }
    } finally {
      hints.remove(bell);
      over.removeEventListener("abort", bell.ring);
    }
  }

  async #write<T>(run: (tx: Transaction) => T): Promise<T> {
    const { store, hints } = this.#here;
    const result = await store.writes.submit({ rows: 1, bytes: 0, run });
    hints.ring();
    return result;
  }

  /** Before a reading: keys of a session past its time must not be seen. */
  async #fresh(): Promise<Opened> {
    const here = this.#here;
    const now = here.store.leaseClock.now();
    const isExpired = await here.store.read(() => here.sql.expiredSessions.get(now) !== undefined);
    if (isExpired) await this.#write((tx) => here.writes.endExpired(tx));
    return here;
  }

  async #endExpired(): Promise<number> {
    try {
      const { store, sql } = await this.#fresh();
      const { next } = await store.read(() => sql.nextEnd.get() as Readonly<{ next: number | null }>);
      return next === null ? Infinity : next - store.leaseClock.now();
    } catch {
      // Closed meanwhile, or the file is locked for long: the next tick tries again.
      return Infinity;
    }
  }
}

function areaIn(sql: CoordinationStatements, prefix: string): Area {
  return (sql.area.get(areaOf(prefix)) as Area | undefined) ?? { changed: 0, removed: 0 };
}

function entriesIn(sql: CoordinationStatements, prefix: string, limit = -1, after = ""): readonly CoordinationEntry[] {
  return (sql.keys.all(prefix, prefix + PAST, after, limit) as readonly Row[]).map(entryOf);
}

function closed(): JobferryError {
  return new JobferryError("CLOSED", "The SQLite store is closed. Make another one.");
}

/**
 * A coordination store in one SQLite file, on `node:sqlite`. It may be the file of a queue.
 * @throws INVALID_ARGUMENT for an option that is unknown or wrong.
 */
export function sqliteCoordinationStore(options: SqliteDriverOptions): CoordinationStore {
  return new SqliteCoordination(options);
}

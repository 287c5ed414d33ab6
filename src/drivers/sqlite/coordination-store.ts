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
  Clock,
  Compare,
  CoordinationCapabilities,
  CoordinationContext,
  CoordinationEntry,
  CoordinationSession,
  CoordinationStore,
  CoordinationWrite,
  Durability,
  TransactResult,
  WatchEvent,
} from "../../contract/index.ts";
import { silentLogger } from "../../runtime/index.ts";
import { areaOf } from "../shared/coordination-arguments.ts";
import {
  guardedStore,
  type Listed,
  type ListOptions,
  type OpenCoordination,
  type Watching,
} from "../shared/guarded-store.ts";
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

class SqliteCoordination implements OpenCoordination {
  readonly #store: OpenStore;
  readonly #sql: CoordinationStatements;
  readonly #writes: CoordinationWrites;
  readonly #hints: CoordinationHints;
  readonly #path: string | null;

  /** `path`: of the file, unless it is a database in memory. */
  constructor(store: OpenStore, clock: Clock, path: string | null) {
    this.#store = store;
    this.#path = path;
    this.#sql = prepareCoordination(store.database);
    this.#writes = new CoordinationWrites(this.#sql);
    this.#hints = new CoordinationHints(
      clock,
      () => this.#endExpired(),
      (changed) => (path === null ? undefined : new FileWatch(store.database, path, clock, changed)),
    );
  }

  async close(): Promise<void> {
    this.#hints.close();
    await this.#store.close();
  }

  async durability(): Promise<Durability> {
    return this.#path === null ? "process" : "serverCrash";
  }

  async get(key: string): Promise<CoordinationEntry | undefined> {
    await this.#freshen();
    const row = await this.#store.read(() => this.#sql.key.get(key) as Row | undefined);
    return row === undefined ? undefined : entryOf(row);
  }

  async list(prefix: string, { limit, after }: ListOptions): Promise<Listed> {
    await this.#freshen();
    return this.#store.read(() => {
      // Before the entries: what is written in between is then told again, and not missed.
      const revision = String(areaIn(this.#sql, prefix).changed);
      return { entries: entriesIn(this.#sql, prefix, limit, after), revision };
    });
  }

  async transact(compares: readonly Compare[], writes: readonly CoordinationWrite[]): Promise<TransactResult> {
    // The transaction may have to wait for the file; what the program does to a value meanwhile must not be written.
    const kept = writes.map((write) => ("put" in write ? { ...write, value: write.value.slice() } : write));
    return this.#write((tx) => this.#writes.transact(tx, compares, kept));
  }

  async openSession(ttlMs: number): Promise<CoordinationSession> {
    const id = await this.#write((tx) => this.#writes.openSession(tx, ttlMs));
    return {
      id,
      renew: async () => ((await this.#write((tx) => this.#writes.renew(tx, id))) ? "ok" : "lost"),
      close: () => this.#write((tx) => this.#writes.endSession(tx, id)),
    };
  }

  async *watch(prefix: string, { from, over, bell }: Watching): AsyncGenerator<WatchEvent, void, undefined> {
    const [store, sql] = [this.#store, this.#sql];
    this.#hints.add(bell);
    try {
      const state = new WatchedState();
      const start = await store.read(() => ({ area: areaIn(sql, prefix), entries: entriesIn(sql, prefix) }));
      const since = from === undefined ? -1 : Number(from);
      let told = start.area.changed;
      if (since < start.area.removed) yield state.reset(start.entries, String(told));
      else {
        told = since;
        state.reset(
          start.entries.filter(({ version }) => Number(version) <= since),
          String(since),
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
      this.#hints.remove(bell);
    }
  }

  async #write<T>(run: (tx: Transaction) => T): Promise<T> {
    const result = await this.#store.writes.submit({ rows: 1, bytes: 0, run });
    this.#hints.ring();
    return result;
  }

  /** Before a reading: keys of a session past its time must not be seen. */
  async #freshen(): Promise<void> {
    const now = this.#store.leaseClock.now();
    const isExpired = await this.#store.read(() => this.#sql.expiredSessions.get(now) !== undefined);
    if (isExpired) await this.#write((tx) => this.#writes.endExpired(tx));
  }

  async #endExpired(): Promise<number> {
    try {
      await this.#freshen();
      const { next } = await this.#store.read(() => this.#sql.nextEnd.get() as Readonly<{ next: number | null }>);
      return next === null ? Infinity : next - this.#store.leaseClock.now();
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

function capabilitiesOf({ target }: Settings): CoordinationCapabilities {
  return {
    shared: target.kind === "file",
    consistency: "linearizable",
    session: { minTtlMs: 100, maxTtlMs: 86_400_000, endFactor: 1, endLagMs: POLL_MS },
    watch: { lagMs: POLL_MS },
    limits: { keyBytes: 1_024, valueBytes: 1_048_576, operations: MAX_ROWS, transactionBytes: MAX_BYTES },
  };
}

async function openStore(settings: Settings, { clock }: CoordinationContext): Promise<SqliteCoordination> {
  const retention = { completed: NO_RETENTION, failed: NO_RETENTION };
  const store = await OpenStore.open(settings, { clock, logger: silentLogger, retention });
  try {
    return new SqliteCoordination(store, clock, settings.target.kind === "file" ? store.database.location() : null);
  } catch (error) {
    await store.close();
    throw error;
  }
}

/**
 * A coordination store in one SQLite file, on `node:sqlite`. It may be the file of a queue.
 * @throws INVALID_ARGUMENT for an option that is unknown or wrong.
 */
export function sqliteCoordinationStore(options: SqliteDriverOptions): CoordinationStore {
  const settings = resolveOptions(options);
  return guardedStore({
    name: "sqlite",
    title: "SQLite",
    capabilities: capabilitiesOf(settings),
    open: (context) => openStore(settings, context),
    classify,
  });
}

/**
 * Keys and sessions in the schema of the jobs, shared by any number of processes.
 *
 * - A transaction is atomic because it is one function of the schema, which locks the rows of the areas that it compares or writes.
 * - A crash leaves whole transactions, and sessions that nobody renews: whoever sees one past its time (by the server's clock) removes it and its
 *   keys in one transaction. That is every reading and comparing of such a key, and the timer of every client that watches.
 * - Watches are emulated: the commit of a writer notifies the names of the keys, and every second the prefixes are looked at anyway. A watcher
 *   then compares the state with what it told.
 * - The layout is in coordination-schema.ts and docs/backends/postgres.md; why it is so, in docs/adr/0109.
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
import { silentLogger } from "../../runtime/index.ts";
import {
  areaOf,
  checkKey,
  checkListing,
  checkPrefix,
  checkTransaction,
  checkTtl,
} from "../shared/coordination-arguments.ts";
import { PrefixWatches } from "../shared/prefix-watches.ts";
import type { Look, Snapshot } from "../shared/prefix-watches.ts";
import { binaryArray } from "./arrays.ts";
import { Connections } from "./connections.ts";
import type { Row } from "./connections.ts";
import { EXPIRED, REFUSED } from "./coordination-schema.ts";
import { coordinationStatements } from "./coordination-statements.ts";
import type { CoordinationStatements } from "./coordination-statements.ts";
import { classify } from "./errors.ts";
import { checkLayout, migrate } from "./migrations.ts";
import { channelOf, Listener } from "./notifications.ts";
import { resolveOptions } from "./options.ts";
import type { PostgresDriverOptions, Settings } from "./options.ts";
import { checkServer } from "./server-check.ts";
import { labelOf } from "./target-label.ts";

/** How often watches look when a proxy keeps notifications from them. */
const DEAF_POLL_MS = 200;
/** How often a call ends sessions and begins anew before it gives up. */
const TRIES = 10;

type Opened = Readonly<{
  connections: Connections;
  sql: CoordinationStatements;
  watches: PrefixWatches;
  listener: Listener | undefined;
}>;

class PostgresCoordination implements CoordinationStore {
  readonly name = "postgres";
  readonly capabilities: CoordinationCapabilities;
  readonly #settings: Settings;
  readonly #label: string;
  readonly #channel: string;
  #opening: Promise<Opened> | undefined;
  #opened: Opened | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: PostgresDriverOptions) {
    this.#settings = resolveOptions(options);
    this.#label = labelOf(this.#settings);
    this.#channel = `${channelOf(this.#settings.schema)}_keys`;
    const { pollMs } = this.#settings;
    this.capabilities = {
      shared: true,
      consistency: "linearizable",
      session: { minTtlMs: 300, maxTtlMs: 86_400_000, endFactor: 1, endLagMs: pollMs },
      watch: { lagMs: pollMs },
      limits: { keyBytes: 1_024, valueBytes: 1_048_576, operations: 1_000, transactionBytes: 8 * 1_048_576 },
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
    const settings = this.#settings;
    const { schema, notify, pollMs } = settings;
    const connections = await Connections.make(settings, clock);
    try {
      await checkServer(connections, this.#label);
      await (settings.migrate ? migrate(connections, schema) : checkLayout(connections, schema));
    } catch (error) {
      await connections.close();
      throw error;
    }
    const sql = coordinationStatements(schema);
    const watches = new PrefixWatches(clock, pollMs, (prefixes) => this.#look(connections, sql, prefixes));
    if (!notify) return { connections, sql, watches, listener: undefined };
    const tag = crypto.randomUUID().slice(0, 8);
    const place = { channel: this.#channel, tag, clock, logger: silentLogger };
    const listener = new Listener(connections, sql.notify, place, {
      // Nothing is named when there was no room for the names.
      queue: (names) => (names === "" ? watches.look() : watches.told(names.split(" "))),
      anything: () => watches.look(),
      deaf: () => {
        watches.pollMs = Math.min(pollMs, DEAF_POLL_MS);
        watches.look();
      },
    });
    watches.hints = listener;
    return { connections, sql, watches, listener };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const opened = await this.#opening?.catch(() => undefined);
    opened?.watches.close();
    await opened?.listener?.close();
    await opened?.connections.close();
  }

  classify(error: unknown): ErrorClass {
    return classify(error, this.#label);
  }

  /** @throws NOT_OPEN, CLOSED. */
  get #here(): Opened {
    if (this.#closing !== undefined) throw closed();
    if (this.#opened === undefined)
      throw new JobferryError("NOT_OPEN", "The PostgreSQL store is not open. Call open() first.");
    return this.#opened;
  }

  async get(key: string): Promise<CoordinationEntry | undefined> {
    checkKey(key, this.capabilities.limits);
    const rows = await this.#current(() => this.#query("get", [key]), 2);
    return rows[0] === undefined ? undefined : entryOf([key, ...rows[0]]);
  }

  async list(
    prefix: string,
    options?: Readonly<{ limit?: number; after?: string }>,
  ): Promise<Readonly<{ entries: readonly CoordinationEntry[]; revision: Revision }>> {
    checkListing(prefix, options);
    return this.#snapshot(prefix, options);
  }

  async #snapshot(prefix: string, options?: Readonly<{ limit?: number; after?: string }>): Promise<Snapshot> {
    const area = areaOf(prefix);
    const values = [area, prefix, options?.after ?? "", options?.limit ?? null];
    const rows = await this.#current(() => this.#query("list", values), 5);
    const [changed, removed] = rows[0] ?? [];
    return {
      entries: rows.flatMap((row) => (row[2] === null ? [] : [entryOf(row.slice(2))])),
      revision: revisionOf(changed ?? "0", [area]),
      changed: BigInt(changed ?? 0),
      removed: BigInt(removed ?? 0),
    };
  }

  async transact(compares: readonly Compare[], writes: readonly CoordinationWrite[]): Promise<TransactResult> {
    checkTransaction(compares, writes, this.capabilities.limits);
    const { watches } = this.#here;
    const { values, written, areas } = transaction(compares, writes, this.#notified);
    for (let attempt = 1; ; attempt += 1) {
      const [row] = await this.#query("transact", values);
      const code = Number(row?.[0]);
      if (code === REFUSED) return { ok: false };
      if (code !== EXPIRED) {
        watches.changed(written);
        const version = String(row?.[0]);
        return { ok: true, revision: revisionOf(version, areas), versions: writes.map(() => version) };
      }
      await this.#expire(attempt);
    }
  }

  async openSession(ttlMs: number): Promise<CoordinationSession> {
    checkTtl(ttlMs, this.capabilities.session);
    const id = crypto.randomUUID();
    await this.#query("openSession", [id, ttlMs]);
    return {
      id,
      renew: async () => ((await this.#query("renewSession", [id]))[0]?.[0] === "t" ? "ok" : "lost"),
      close: async () => {
        const { watches } = this.#here;
        await this.#query("closeSession", [id, this.#notified]);
        // Where nobody is notified the watches of this process are all that can be told.
        if (!this.#settings.notify) watches.look();
      },
    };
  }

  async *watch(
    prefix: string,
    options: Readonly<{ from?: Revision; signal: AbortSignal }>,
  ): AsyncGenerator<WatchEvent, void, undefined> {
    checkPrefix(prefix);
    const since = options.from === undefined ? undefined : versionIn(options.from, areaOf(prefix));
    yield* this.#here.watches.watch(prefix, since, options.signal, () => this.#snapshot(prefix));
  }

  get #notified(): string | null {
    return this.#settings.notify ? this.#channel : null;
  }

  #query(name: keyof CoordinationStatements, values: unknown[]): Promise<readonly Row[]> {
    const { connections, sql } = this.#here;
    return connections.query(sql[name], values);
  }

  /** Keys of a session past its time must not be seen. `over`: the column that tells. */
  async #current(read: () => Promise<readonly Row[]>, over: number): Promise<readonly Row[]> {
    for (let attempt = 1; ; attempt += 1) {
      const rows = await read();
      if (rows.every((row) => row[over] !== "t")) return rows;
      await this.#expire(attempt);
    }
  }

  async #expire(attempt: number): Promise<void> {
    if (attempt > TRIES) {
      const text = `${this.#label} has sessions that run out faster than they are ended. Try again.`;
      throw new JobferryError("UNAVAILABLE", text, { retryable: true });
    }
    await this.#query("expire", [this.#notified]);
  }

  async #look(connections: Connections, sql: CoordinationStatements, prefixes: readonly string[]): Promise<Look> {
    const names = binaryArray({ type: "text", values: prefixes });
    for (let attempt = 1; ; attempt += 1) {
      const rows = await connections.query(sql.look, [names]);
      const next = rows[0]?.[2] ?? undefined;
      const found = rows.map(([keys, newest]) => ({ keys: Number(keys), newest: newest ?? "0" }));
      if (next === undefined || next === null || Number(next) > 0 || attempt > TRIES)
        return { found, nextEndMs: next === undefined || next === null ? undefined : Number(next) };
      await connections.query(sql.expire, [this.#notified]);
    }
  }
}

function entryOf([key, version, value]: readonly (string | null)[]): CoordinationEntry {
  return { key: key ?? "", version: version ?? "", value: new Uint8Array(Buffer.from((value ?? "").slice(2), "hex")) };
}

/** Versions are ordered inside an area only, so a revision names those for which it holds. A watch of another one begins with everything. */
function revisionOf(version: string, areas: readonly string[]): Revision {
  return [version, ...areas].join(" ");
}

function versionIn(revision: Revision, area: string): bigint | undefined {
  const [version = "", ...areas] = revision.split(" ");
  return areas.includes(area) && /^\d+$/.test(version) ? BigInt(version) : undefined;
}

/** A version that this store cannot have given: it holds for no key. */
const NEVER = -1;

function numberOf(version: string): number {
  return /^[1-9]\d{0,15}$/.test(version) ? Number(version) : NEVER;
}

function transaction(
  compares: readonly Compare[],
  writes: readonly CoordinationWrite[],
  channel: string | null,
): Readonly<{ values: unknown[]; written: readonly string[]; areas: readonly string[] }> {
  const keyed = compares.flatMap((compare) => ("session" in compare ? [] : [compare]));
  const puts = writes.flatMap((write) => ("put" in write ? [write] : []));
  const deletes = writes.flatMap((write) => ("delete" in write ? [write.delete] : []));
  const sessions = [...compares, ...puts].flatMap((one) =>
    "session" in one && one.session !== undefined ? [one.session] : [],
  );
  const written = [...puts.map(({ put }) => put), ...deletes];
  const areas = [...new Set([...written, ...keyed.map(({ key }) => key)].map(areaOf))];
  const names = (values: readonly string[]): Buffer => binaryArray({ type: "text", values });
  const values = [
    names(areas),
    sessions[0] ?? null,
    names(keyed.map(({ key }) => key)),
    binaryArray({ type: "int8", values: keyed.map((one) => ("version" in one ? numberOf(one.version) : null)) }),
    names(puts.map(({ put }) => put)),
    binaryArray({ type: "int4", values: puts.map(({ session }) => (session === undefined ? 0 : 1)) }),
    // Copied here: what the program does to a value while the call waits for a connection must not be written.
    binaryArray({ type: "bytea", values: puts.map(({ value }) => value) }),
    names(deletes),
    channel,
  ];
  return { values, written, areas: written.length > 0 ? [...new Set(written.map(areaOf))] : areas };
}

function closed(): JobferryError {
  return new JobferryError("CLOSED", "The PostgreSQL store is closed. Make another one.");
}

/**
 * A coordination store in a schema of a PostgreSQL server, through `pg`. It may be the schema of a queue.
 * @throws INVALID_ARGUMENT for an option that is unknown or wrong.
 */
export function postgresCoordinationStore(options: PostgresDriverOptions): CoordinationStore {
  return new PostgresCoordination(options);
}

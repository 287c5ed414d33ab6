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
  Clock,
  Compare,
  CoordinationCapabilities,
  CoordinationContext,
  CoordinationEntry,
  CoordinationSession,
  CoordinationStore,
  CoordinationWrite,
  Revision,
  TransactResult,
  WatchEvent,
} from "../../contract/index.ts";
import { JobferryError } from "../../errors/index.ts";
import { silentLogger } from "../../runtime/index.ts";
import { areaOf } from "../shared/coordination-arguments.ts";
import {
  guardedStore,
  type Listed,
  type ListOptions,
  type OpenCoordination,
  type Watching,
} from "../shared/guarded-store.ts";
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

class PostgresCoordination implements OpenCoordination {
  readonly #label: string;
  /** On which changes are notified; null: nobody is. */
  readonly #channel: string | null;
  readonly #connections: Connections;
  readonly #sql: CoordinationStatements;
  readonly #watches: PrefixWatches;
  readonly #listener: Listener | undefined;

  constructor(connections: Connections, { schema, notify, pollMs }: Settings, label: string, clock: Clock) {
    this.#label = label;
    this.#channel = notify ? `${channelOf(schema)}_keys` : null;
    this.#connections = connections;
    this.#sql = coordinationStatements(schema);
    this.#watches = new PrefixWatches(clock, pollMs, (prefixes) => this.#look(prefixes));
    this.#listener = this.#channel === null ? undefined : this.#listen(this.#channel, pollMs, clock);
  }

  #listen(channel: string, pollMs: number, clock: Clock): Listener {
    const watches = this.#watches;
    const place = { channel, tag: crypto.randomUUID().slice(0, 8), clock, logger: silentLogger };
    const listener = new Listener(this.#connections, this.#sql.notify, place, {
      // Nothing is named when there was no room for the names.
      queue: (names) => (names === "" ? watches.look() : watches.told(names.split(" "))),
      anything: () => watches.look(),
      deaf: () => {
        watches.pollMs = Math.min(pollMs, DEAF_POLL_MS);
        watches.look();
      },
    });
    watches.hints = listener;
    return listener;
  }

  async close(): Promise<void> {
    this.#watches.close();
    await this.#listener?.close();
    await this.#connections.close();
  }

  async get(key: string): Promise<CoordinationEntry | undefined> {
    const rows = await this.#current(() => this.#query("get", [key]), 2);
    return rows[0] === undefined ? undefined : entryOf([key, ...rows[0]]);
  }

  list(prefix: string, options: ListOptions): Promise<Listed> {
    return this.#snapshot(prefix, options);
  }

  async #snapshot(prefix: string, { limit, after }: ListOptions = {}): Promise<Snapshot> {
    const area = areaOf(prefix);
    const values = [area, prefix, after ?? "", limit ?? null];
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
    const { values, written, areas } = transaction(compares, writes, this.#channel);
    for (let attempt = 1; ; attempt += 1) {
      const [row] = await this.#query("transact", values);
      const code = Number(row?.[0]);
      if (code === REFUSED) return { ok: false };
      if (code !== EXPIRED) {
        this.#watches.changed(written);
        const version = String(row?.[0]);
        return { ok: true, revision: revisionOf(version, areas), versions: writes.map(() => version) };
      }
      await this.#expire(attempt);
    }
  }

  async openSession(ttlMs: number): Promise<CoordinationSession> {
    const id = crypto.randomUUID();
    await this.#query("openSession", [id, ttlMs]);
    return {
      id,
      renew: async () => ((await this.#query("renewSession", [id]))[0]?.[0] === "t" ? "ok" : "lost"),
      close: async () => {
        await this.#query("closeSession", [id, this.#channel]);
        // Where nobody is notified the watches of this process are all that can be told.
        if (this.#channel === null) this.#watches.look();
      },
    };
  }

  watch(prefix: string, watching: Watching): AsyncIterable<WatchEvent> {
    const { from } = watching;
    const since = from === undefined ? undefined : versionIn(from, areaOf(prefix));
    return this.#watches.watch(prefix, since, watching, () => this.#snapshot(prefix));
  }

  #query(name: keyof CoordinationStatements, values: unknown[]): Promise<readonly Row[]> {
    return this.#connections.query(this.#sql[name], values);
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
    await this.#query("expire", [this.#channel]);
  }

  async #look(prefixes: readonly string[]): Promise<Look> {
    const names = binaryArray({ type: "text", values: prefixes });
    for (let attempt = 1; ; attempt += 1) {
      const rows = await this.#query("look", [names]);
      const next = rows[0]?.[2] ?? undefined;
      const found = rows.map(([keys, newest]) => ({ keys: Number(keys), newest: newest ?? "0" }));
      if (next === undefined || Number(next) > 0 || attempt > TRIES)
        return { found, nextEndMs: next === undefined ? undefined : Number(next) };
      await this.#query("expire", [this.#channel]);
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

function capabilitiesOf({ pollMs }: Settings): CoordinationCapabilities {
  return {
    shared: true,
    consistency: "linearizable",
    session: { minTtlMs: 300, maxTtlMs: 86_400_000, endFactor: 1, endLagMs: pollMs },
    watch: { lagMs: pollMs },
    limits: { keyBytes: 1_024, valueBytes: 1_048_576, operations: 1_000, transactionBytes: 8 * 1_048_576 },
  };
}

async function openStore(
  settings: Settings,
  label: string,
  { clock }: CoordinationContext,
): Promise<PostgresCoordination> {
  const connections = await Connections.make(settings, clock);
  try {
    await checkServer(connections, label);
    await (settings.migrate ? migrate(connections, settings.schema) : checkLayout(connections, settings.schema));
  } catch (error) {
    await connections.close();
    throw error;
  }
  return new PostgresCoordination(connections, settings, label, clock);
}

/**
 * A coordination store in a schema of a PostgreSQL server, through `pg`. It may be the schema of a queue.
 * @throws INVALID_ARGUMENT for an option that is unknown or wrong.
 */
export function postgresCoordinationStore(options: PostgresDriverOptions): CoordinationStore {
  const settings = resolveOptions(options);
  const label = labelOf(settings);
  return guardedStore({
    name: "postgres",
    title: "PostgreSQL",
    capabilities: capabilitiesOf(settings),
    open: (context) => openStore(settings, label, context),
    classify: (error) => classify(error, label),
  });
}

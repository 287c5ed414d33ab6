/**
 * Keys and sessions in the key/value store of a Consul datacenter.
 *
 * - A transaction is atomic because it is one of Consul's, which is one entry of its log. Its index is the version of all keys that it puts: it rises
 *   over the whole datacenter.
 * - A crash of a client leaves whole transactions, and a session that nobody renews: Consul removes it with its keys after twice its time to live.
 *   A crash of Consul's servers loses nothing that was answered while most of their disks are kept.
 * - Watches are emulated: blocking queries that answer with the whole prefix, of which a watcher is told what it does not know (blocking-queries.ts).
 *   Whether a session lives is told by a key that only it can lock (transaction.ts).
 * - The layout is in docs/backends/consul.md; why it is so, in docs/adr/0126 and 0127.
 */
import type {
  Compare,
  CoordinationCapabilities,
  CoordinationEntry,
  CoordinationSession,
  CoordinationStore,
  CoordinationWrite,
  Durability,
  TransactResult,
  WatchEvent,
} from "../../contract/index.ts";
import {
  guardedStore,
  type Listed,
  type ListOptions,
  type OpenCoordination,
  type Watching,
} from "../shared/guarded-store.ts";
import { durabilityOf } from "../shared/voters.ts";
import { WatchedState } from "../shared/watched-state.ts";
import type { Row } from "./client/key-values.ts";
import { classify } from "./errors.ts";
import { entryOf, listAll, listFirst } from "./listing.ts";
import { openConsul } from "./open-consul.ts";
import type { Opened } from "./open-consul.ts";
import { resolveOptions } from "./options.ts";
import type { ConsulDriverOptions } from "./options.ts";
import { LIMITS, MAX_OPERATIONS, VERBS_AN_OVERWRITE } from "./transaction.ts";

/** How long the pause of a query is at most whose prefix had nothing to tell, and the way there and back. */
const WATCH_LAG_MS = 200;
/** Consul looks at each session by a timer of its own; ending it is one more write. */
const SESSION_END_LAG_MS = 250;

class ConsulCoordination implements OpenCoordination {
  readonly #opened: Opened;

  constructor(opened: Opened) {
    this.#opened = opened;
  }

  async close(): Promise<void> {
    this.#opened.client.close();
  }

  /** Servers write to disk before they answer, but for one that was started for trials with -dev. Not every token may see that. */
  async durability(): Promise<Durability> {
    const { client } = this.#opened;
    const asked = (path: string): Promise<unknown> =>
      client.call({ method: "GET", path }).then(
        ({ json }) => json,
        () => undefined,
      );
    const [agent, peers] = await Promise.all([asked("/v1/agent/self"), asked("/v1/status/peers")]);
    if (isForTrials(agent)) return "process";
    return durabilityOf(Array.isArray(peers) ? peers.length : 1);
  }

  async get(key: string): Promise<CoordinationEntry | undefined> {
    const row = await this.#opened.keys.get(key);
    return row === undefined ? undefined : entryOf(row);
  }

  async list(prefix: string, { limit, after }: ListOptions): Promise<Listed> {
    const { keys, revisions } = this.#opened;
    const listed = limit === undefined ? listAll(keys, prefix, after) : listFirst(keys, prefix, limit, after);
    const { entries, index } = await listed;
    return { entries, revision: revisions.of(index) };
  }

  async transact(compares: readonly Compare[], writes: readonly CoordinationWrite[]): Promise<TransactResult> {
    const { transactions, revisions } = this.#opened;
    const done = await transactions.run(compares, writes);
    if (done === undefined) return { ok: false };
    // Of deletes alone Consul tells no index.
    const version = String(Math.max(1, done.index));
    return { ok: true, revision: revisions.of(version), versions: writes.map(() => version) };
  }

  async openSession(ttlMs: number): Promise<CoordinationSession> {
    const { sessions } = this.#opened;
    const id = await sessions.create(ttlMs);
    return { id, renew: () => sessions.renew(id), close: () => sessions.destroy(id) };
  }

  async *watch(prefix: string, { from, over, bell }: Watching): AsyncGenerator<WatchEvent, void, undefined> {
    const { keys, queries, revisions } = this.#opened;
    const state = new WatchedState();
    let seen = await keys.list(prefix, over);
    const ticket = queries.join(prefix, seen, bell);
    try {
      const first = state.reset(seen.rows.map(entryOf), revisions.of(seen.index));
      if (!revisions.holds(from, seen.index)) yield first;
      while (!over.aborted) {
        const latest = ticket.latest();
        // An index that is lower than the one that was seen is of an older state: of a query that others share, read before.
        if (latest === undefined || latest === seen || BigInt(latest.index) < BigInt(seen.index)) {
          await bell.wait();
          continue;
        }
        seen = latest;
        const mine = latest.rows.filter(({ key }) => key.startsWith(prefix));
        const event = state.change(mine.map(withoutValue), revisions.of(latest.index));
        if (event !== undefined) yield withValues(event, mine);
      }
    } finally {
      ticket.leave();
    }
  }
}

function isForTrials(agent: unknown): boolean {
  const { DebugConfig } = (agent ?? {}) as Readonly<{ DebugConfig?: Readonly<{ DevMode?: unknown }> | null }>;
  return DebugConfig?.DevMode === true;
}

const NOTHING: Uint8Array = new Uint8Array();

/** Most of a prefix has not changed: values are read of those keys alone that are told. */
function withoutValue({ key, modifyIndex }: Row): CoordinationEntry {
  return { key, value: NOTHING, version: String(modifyIndex) };
}

function withValues(event: WatchEvent, rows: readonly Row[]): WatchEvent {
  const told = new Set(event.entries.map(({ key }) => key));
  return { ...event, entries: rows.flatMap((row) => (told.has(row.key) ? [entryOf(row)] : [])) };
}

/**
 * A coordination store in Consul (1.15 or newer is tested), through a client of its own.
 * @throws INVALID_ARGUMENT for an option that is unknown or wrong.
 */
export function consulCoordinationStore(options: ConsulDriverOptions): CoordinationStore {
  const settings = resolveOptions(options);
  let opened: Opened | undefined;
  return guardedStore({
    name: "consul",
    title: "Consul",
    /** The server may take longer sessions only (session_ttl_min, 10 s by default), and before 1.15 half the operations: known when it was asked. */
    get capabilities(): CoordinationCapabilities {
      return {
        shared: true,
        consistency: "linearizable",
        // A leader that was stopped finds all sessions over when it goes on. What it cannot do then, having a successor, it tries again 10, 30, 70 s later (and
        // twice as late each time, up to ten minutes), without another look: if it leads again by then it ends sessions that were renewed all the time.
        session: {
          ...{ minTtlMs: 1_000, maxTtlMs: 86_400_000 },
          ...{ endFactor: 2, endLagMs: SESSION_END_LAG_MS, mayEndEarly: true },
        },
        watch: { lagMs: WATCH_LAG_MS },
        limits: {
          ...LIMITS,
          operations: opened?.transactions.operations ?? MAX_OPERATIONS,
          overwrite: VERBS_AN_OVERWRITE,
        },
      };
    },
    open: async ({ clock }) => {
      opened = await openConsul(settings, clock);
      return new ConsulCoordination(opened);
    },
    classify: (error) => classify(error, settings.address.shown),
  });
}

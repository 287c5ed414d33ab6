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
import { Bell } from "../../runtime/index.ts";
import { checkKey, checkListing, checkPrefix, checkTransaction, checkTtl } from "../shared/coordination-arguments.ts";
import { WatchedState } from "../shared/watched-state.ts";
import type { Row } from "./client/key-values.ts";
import { classify } from "./errors.ts";
import { entryOf, listAll, listFirst } from "./listing.ts";
import { openConsul } from "./open-consul.ts";
import type { Opened } from "./open-consul.ts";
import { resolveOptions } from "./options.ts";
import type { ConsulDriverOptions, Settings } from "./options.ts";
import { LIMITS, MAX_OPERATIONS } from "./transaction.ts";

/** How long the pause of a query is at most whose prefix had nothing to tell, and the way there and back. */
const WATCH_LAG_MS = 200;
/** Consul looks at each session by a timer of its own; ending it is one more write. */
const SESSION_END_LAG_MS = 250;

class ConsulCoordination implements CoordinationStore {
  readonly name = "consul";
  readonly #settings: Settings;
  readonly #closed = new AbortController();
  #opening: Promise<Opened> | undefined;
  #opened: Opened | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: ConsulDriverOptions) {
    this.#settings = resolveOptions(options);
  }

  /** The server may take longer sessions only (session_ttl_min, 10 s by default), and before 1.15 half the operations: known when it was asked. */
  get capabilities(): CoordinationCapabilities {
    return {
      shared: true,
      consistency: "linearizable",
      session: { minTtlMs: 1_000, maxTtlMs: 86_400_000, endFactor: 2, endLagMs: SESSION_END_LAG_MS },
      watch: { lagMs: WATCH_LAG_MS },
      limits: { ...LIMITS, operations: this.#opened?.transactions.operations ?? MAX_OPERATIONS },
    };
  }

  async open({ clock }: CoordinationContext): Promise<void> {
    if (this.#closing !== undefined) throw closed();
    this.#opening ??= openConsul(this.#settings, clock);
    try {
      this.#opened = await this.#opening;
    } catch (error) {
      this.#opening = undefined;
      throw error;
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#closed.abort();
    const opened = await this.#opening?.catch(() => undefined);
    opened?.client.close();
  }

  classify(error: unknown): ErrorClass {
    return classify(error, this.#settings.address.shown);
  }

  /** @throws NOT_OPEN, CLOSED. */
  get #here(): Opened {
    if (this.#closing !== undefined) throw closed();
    if (this.#opened === undefined)
      throw new JobferryError("NOT_OPEN", "The Consul store is not open. Call open() first.");
    return this.#opened;
  }

  async get(key: string): Promise<CoordinationEntry | undefined> {
    checkKey(key, this.capabilities.limits);
    const row = await this.#here.keys.get(key);
    return row === undefined ? undefined : entryOf(row);
  }

  async list(
    prefix: string,
    options: Readonly<{ limit?: number; after?: string }> = {},
  ): Promise<Readonly<{ entries: readonly CoordinationEntry[]; revision: Revision }>> {
    checkListing(prefix, options);
    const { keys, revisions } = this.#here;
    const { limit, after } = options;
    const listed = limit === undefined ? listAll(keys, prefix, after) : listFirst(keys, prefix, limit, after);
    const { entries, index } = await listed;
    return { entries, revision: revisions.of(index) };
  }

  async transact(compares: readonly Compare[], writes: readonly CoordinationWrite[]): Promise<TransactResult> {
    checkTransaction(compares, writes, this.capabilities.limits);
    const { transactions, revisions } = this.#here;
    const done = await transactions.run(compares, writes);
    if (done === undefined) return { ok: false };
    // Of deletes alone Consul tells no index.
    const version = String(Math.max(1, done.index));
    return { ok: true, revision: revisions.of(version), versions: writes.map(() => version) };
  }

  async openSession(ttlMs: number): Promise<CoordinationSession> {
    checkTtl(ttlMs, this.capabilities.session);
    const id = await this.#here.sessions.create(ttlMs);
    return {
      id,
      renew: async () => this.#here.sessions.renew(id),
      close: async () => this.#here.sessions.destroy(id),
    };
  }

  async *watch(
    prefix: string,
    options: Readonly<{ from?: Revision; signal: AbortSignal }>,
  ): AsyncGenerator<WatchEvent, void, undefined> {
    checkPrefix(prefix);
    const here = this.#here;
    const over = AbortSignal.any([options.signal, this.#closed.signal]);
    if (over.aborted) return;
    const bell = new Bell();
    over.addEventListener("abort", bell.ring, { once: true });
    try {
      yield* follow(here, prefix, options.from, over, bell);
    } catch (error) {
      // What was on its way when it ended is nobody's.
      if (!over.aborted) throw error;
    } finally {
      over.removeEventListener("abort", bell.ring);
    }
  }
}

async function* follow(
  { keys, queries, revisions }: Opened,
  prefix: string,
  from: Revision | undefined,
  over: AbortSignal,
  bell: Bell,
): AsyncGenerator<WatchEvent, void, undefined> {
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

const NOTHING: Uint8Array = new Uint8Array();

/** Most of a prefix has not changed: values are read of those keys alone that are told. */
function withoutValue({ key, modifyIndex }: Row): CoordinationEntry {
  return { key, value: NOTHING, version: String(modifyIndex) };
}

function withValues(event: WatchEvent, rows: readonly Row[]): WatchEvent {
  const told = new Set(event.entries.map(({ key }) => key));
  return { ...event, entries: rows.flatMap((row) => (told.has(row.key) ? [entryOf(row)] : [])) };
}

function closed(): JobferryError {
  return new JobferryError("CLOSED", "The Consul store is closed. Make another one.");
}

/**
 * A coordination store in Consul (1.15 or newer is tested), through a client of its own.
 * @throws INVALID_ARGUMENT for an option that is unknown or wrong.
 */
export function consulCoordinationStore(options: ConsulDriverOptions): CoordinationStore {
  return new ConsulCoordination(options);
}

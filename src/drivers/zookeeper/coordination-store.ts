/**
 * Keys and sessions in ZooKeeper, 3.6 or newer: one server or an ensemble.
 *
 * - A transaction is atomic because it is one `multi` of ZooKeeper's; what it compares is checked in it (coordination-plan.ts).
 * - A crash of a client leaves its sessions, which ZooKeeper ends by their time, with all that they own, in one step. A crash of servers leaves
 *   what a majority had confirmed. A new leader begins the time of all sessions anew.
 * - Emulated: versions, by zxids and generations; the renewal of a session, because pings prove nothing (coordination-session.ts).
 * - The layout is in coordination-layout.ts and docs/backends/zookeeper.md; why it is so, in docs/adr/0130 to 0132.
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
  ErrorClass,
  Revision,
  TransactResult,
  WatchEvent,
} from "../../contract/index.ts";
import { JobferryError } from "../../errors/index.ts";
import { checkKey, checkListing, checkPrefix, checkTransaction, checkTtl } from "../shared/coordination-arguments.ts";
import { speaksTls } from "../shared/tls.ts";
import { KeptClient } from "./client/kept-client.ts";
import { readNode } from "./client/replies.ts";
import { CREATOR, EVERYBODY, requests, type Acl } from "./client/requests.ts";
import { Servers } from "./client/servers.ts";
import { Code, isAnswer, isKind, ZookeeperError } from "./client/zookeeper-error.ts";
import { Layout } from "./coordination-layout.ts";
import { ZookeeperSession } from "./coordination-session.ts";
import { readListing } from "./coordination-snapshot.ts";
import { Transactions } from "./coordination-transactions.ts";
import { CoordinationWatches } from "./coordination-watches.ts";
import { classify } from "./errors.ts";
import { openRoot } from "./open-root.ts";
import { resolveOptions, shownServers, type Settings, type ZookeeperOptions } from "./options.ts";

const NOTHING = new Uint8Array();

type Opened = Readonly<{
  clock: Clock;
  servers: Servers;
  client: KeptClient;
  watches: CoordinationWatches;
  transactions: Transactions;
}>;

class ZookeeperCoordination implements CoordinationStore {
  readonly name = "zookeeper";
  readonly capabilities: CoordinationCapabilities = {
    shared: true,
    consistency: "linearizable",
    // The leader looks once a tick, 2 s by default, and hears of renewals at once. Servers bound the time to live, by default from 4 to 40 s; the lower bound is often set lower.
    session: { minTtlMs: 1_000, maxTtlMs: 40_000, endFactor: 1, endLagMs: 2_500 },
    watch: { lagMs: 500 },
    // A request of 1,048,575 bytes has room for these, with two paths of each operation in the worst case.
    limits: { keyBytes: 512, valueBytes: 800_000, operations: 128, transactionBytes: 820_000 },
  };
  readonly #settings: Settings;
  readonly #layout: Layout;
  readonly #acl: readonly Acl[];
  readonly #sessions = new Map<string, ZookeeperSession>();
  #opening: Promise<Opened> | undefined;
  #opened: Opened | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: ZookeeperOptions) {
    this.#settings = resolveOptions(options);
    this.#layout = new Layout(this.#settings.root);
    this.#acl = this.#settings.access === "creator" ? CREATOR : EVERYBODY;
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
    const { callMs, connectMs } = this.#settings;
    const layout = this.#layout;
    const servers = new Servers({ ...this.#settings, clock });
    const watches = new CoordinationWatches(layout);
    const client = new KeptClient(
      { servers, clock, connectMs, callMs },
      { event: ({ path }) => watches.changed(path), reconnected: () => watches.doubt() },
    );
    try {
      await client.open();
      await openRoot(client, layout, this.#acl);
    } catch (error) {
      await client.close();
      throw (await this.#mismatch(error, clock)) ?? error;
    }
    const transactions = new Transactions({ client, layout, acl: this.#acl, clock, withinMs: callMs });
    return { clock, servers, client, watches, transactions };
  }

  /** Servers that only hung up are asked whether it is TLS that they want, or do not speak. */
  async #mismatch(error: unknown, clock: Clock): Promise<ZookeeperError | undefined> {
    const { addresses, tls } = this.#settings;
    const [first] = addresses;
    if (!isKind(error, "refused") || first === undefined) return undefined;
    const isSpoken = await speaksTls({ ...first, clock });
    if (isSpoken === undefined || isSpoken === (tls !== undefined)) return undefined;
    return isSpoken
      ? new ZookeeperError("tlsWanted", "The server speaks TLS and was spoken to without.")
      : new ZookeeperError("tls", "it speaks none");
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const opened = await this.#opening?.catch(() => undefined);
    opened?.watches.close();
    for (const session of this.#sessions.values()) session.abandon();
    await opened?.client.close();
  }

  classify(error: unknown): ErrorClass {
    return classify(error, shownServers(this.#settings), this.#settings.root);
  }

  /** @throws NOT_OPEN, CLOSED. */
  get #here(): Opened {
    if (this.#closing !== undefined) throw closed();
    if (this.#opened === undefined)
      throw new JobferryError("NOT_OPEN", "The ZooKeeper store is not open. Call open() first.");
    return this.#opened;
  }

  async get(key: string): Promise<CoordinationEntry | undefined> {
    checkKey(key, this.capabilities.limits);
    const path = this.#layout.node(key);
    try {
      const { body } = await this.#here.client.callBoth(requests.sync(path), requests.getData(path));
      const { data, stat } = readNode(body);
      return { key, value: Uint8Array.from(data), version: String(stat.mzxid) };
    } catch (error) {
      if (isAnswer(error, Code.noNode)) return undefined;
      throw error;
    }
  }

  async list(
    prefix: string,
    options: Readonly<{ limit?: number; after?: string }> = {},
  ): Promise<Readonly<{ entries: readonly CoordinationEntry[]; revision: Revision }>> {
    checkListing(prefix, options);
    const { entries, zxid } = await readListing(this.#here.client, this.#layout, prefix, options);
    return { entries, revision: String(zxid) };
  }

  async transact(compares: readonly Compare[], writes: readonly CoordinationWrite[]): Promise<TransactResult> {
    checkTransaction(compares, writes, this.capabilities.limits);
    const { transactions } = this.#here;
    const named = [...compares, ...writes].find((one) => "session" in one && one.session !== undefined);
    const id = named !== undefined && "session" in named ? named.session : undefined;
    const session = id === undefined ? undefined : this.#sessions.get(id);
    if (id !== undefined && (session === undefined || session.isOver)) return { ok: false };
    return transactions.transact(compares, writes, session);
  }

  async openSession(ttlMs: number): Promise<CoordinationSession> {
    checkTtl(ttlMs, this.capabilities.session);
    const { servers, clock } = this.#here;
    const markOf = (id: string): string => this.#layout.session(id);
    const plan = { servers, clock, callMs: this.#settings.callMs, ttlMs, markOf };
    const session = await ZookeeperSession.open(plan);
    try {
      const mark = {
        op: "create",
        path: markOf(session.id),
        data: NOTHING,
        mode: "ephemeral",
        acl: this.#acl,
      } as const;
      await session.call(requests.write(mark));
    } catch (error) {
      await session.close().catch(() => undefined);
      throw error;
    }
    if (this.#closing !== undefined) {
      session.abandon();
      throw closed();
    }
    this.#keep(session);
    return session;
  }

  async *watch(
    prefix: string,
    options: Readonly<{ from?: Revision; signal: AbortSignal }>,
  ): AsyncGenerator<WatchEvent, void, undefined> {
    checkPrefix(prefix);
    const { client, watches } = this.#here;
    // The first reading is as new as any other; those after it follow what this connection has heard.
    let fresh = true;
    const read = (): ReturnType<typeof readListing> => {
      const reading = readListing(client, this.#layout, prefix, { fresh });
      fresh = false;
      return reading;
    };
    yield* watches.watch(client, prefix, options, read);
  }

  #keep(session: ZookeeperSession): void {
    for (const [id, { isOver }] of this.#sessions) if (isOver) this.#sessions.delete(id);
    this.#sessions.set(session.id, session);
  }
}

function closed(): JobferryError {
  return new JobferryError("CLOSED", "The ZooKeeper store is closed. Make another one.");
}

/** @throws INVALID_ARGUMENT for an option that is unknown or wrong. */
export function zookeeperCoordinationStore(options: ZookeeperOptions): CoordinationStore {
  return new ZookeeperCoordination(options);
}

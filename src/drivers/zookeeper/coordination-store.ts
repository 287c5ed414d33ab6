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
import { closedError } from "../shared/life-cycle.ts";
import { durabilityOf } from "../shared/voters.ts";
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
import type { SeenNode } from "./known-nodes.ts";
import { isForEverybody, openRoot } from "./open-root.ts";
import { resolveOptions, shownServers, type Settings, type ZookeeperOptions } from "./options.ts";

const TITLE = "ZooKeeper";
const NOTHING = new Uint8Array();

const CAPABILITIES: CoordinationCapabilities = {
  shared: true,
  consistency: "linearizable",
  // The leader looks once a tick, 2 s by default, and hears of renewals at once. Servers bound the time to live, by default from 4 to 40 s; the lower bound is often set lower.
  session: { minTtlMs: 1_000, maxTtlMs: 40_000, endFactor: 1, endLagMs: 2_500 },
  watch: { lagMs: 500 },
  // A request of 1,048,575 bytes has room for these, with two paths of each operation in the worst case.
  limits: { keyBytes: 512, valueBytes: 800_000, operations: 128, transactionBytes: 820_000 },
};

type Parts = Readonly<{
  clock: Clock;
  callMs: number;
  layout: Layout;
  acl: readonly Acl[];
  servers: Servers;
  client: KeptClient;
  watches: CoordinationWatches;
}>;

class ZookeeperCoordination implements OpenCoordination {
  readonly #parts: Parts;
  readonly #transactions: Transactions;
  readonly #sessions = new Map<string, ZookeeperSession>();
  #isClosed = false;

  constructor(parts: Parts) {
    this.#parts = parts;
    const { client, layout, acl, clock, callMs } = parts;
    this.#transactions = new Transactions({ client, layout, acl, clock, withinMs: callMs });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const session of this.#sessions.values()) session.abandon();
    await this.#parts.client.close();
  }

  /** Each server writes to disk before it answers. What `forceSync=no` leaves out none of its answers tells; a single one lists no servers. */
  async durability(): Promise<Durability> {
    const { client } = this.#parts;
    const servers = await client.call(requests.getData(SERVERS_NODE)).then(
      ({ body }) => readNode(body).data.toString(),
      () => "",
    );
    const voters = servers.split("\n").filter((line) => /^server\.\d+=/.test(line) && !line.includes(":observer"));
    return durabilityOf(voters.length);
  }

  async get(key: string): Promise<CoordinationEntry | undefined> {
    const path = this.#parts.layout.node(key);
    try {
      const { body } = await this.#parts.client.callBoth(requests.sync(path), requests.getData(path));
      const { data, stat } = readNode(body);
      return { key, value: Uint8Array.from(data), version: String(stat.mzxid) };
    } catch (error) {
      if (isAnswer(error, Code.noNode)) return undefined;
      throw error;
    }
  }

  async list(prefix: string, options: ListOptions): Promise<Listed> {
    const { client, layout } = this.#parts;
    const { known, listed: expected } = this.#transactions;
    const saw = (path: string, stat: SeenNode): void => known.remember(path, stat);
    const { entries, zxid } = await readListing(client, layout, prefix, { ...options, saw, expected });
    return { entries, revision: String(zxid) };
  }

  async transact(compares: readonly Compare[], writes: readonly CoordinationWrite[]): Promise<TransactResult> {
    const named = [...compares, ...writes].find((one) => "session" in one && one.session !== undefined);
    const id = named !== undefined && "session" in named ? named.session : undefined;
    const session = id === undefined ? undefined : this.#sessions.get(id);
    if (id !== undefined && (session === undefined || session.isOver)) return { ok: false };
    return this.#transactions.transact(compares, writes, session);
  }

  async openSession(ttlMs: number): Promise<CoordinationSession> {
    const { servers, clock, callMs, layout, acl } = this.#parts;
    const markOf = (id: string): string => layout.session(id);
    const session = await ZookeeperSession.open({ servers, clock, callMs, ttlMs, markOf });
    try {
      const mark = { op: "create", path: markOf(session.id), data: NOTHING, mode: "ephemeral", acl } as const;
      await session.call(requests.write(mark));
    } catch (error) {
      await session.close().catch(() => undefined);
      throw error;
    }
    if (this.#isClosed) {
      session.abandon();
      throw closedError(`${TITLE} store`);
    }
    this.#keep(session);
    return session;
  }

  watch(prefix: string, watching: Watching): AsyncIterable<WatchEvent> {
    const { client, layout, watches } = this.#parts;
    // The first reading is as new as any other; those after it follow what this connection has heard.
    let fresh = true;
    const read = (): ReturnType<typeof readListing> => {
      const reading = readListing(client, layout, prefix, { fresh });
      fresh = false;
      return reading;
    };
    return watches.watch(client, prefix, watching, read);
  }

  #keep(session: ZookeeperSession): void {
    for (const [id, { isOver }] of this.#sessions) if (isOver) this.#sessions.delete(id);
    this.#sessions.set(session.id, session);
  }
}

/** The server's own, since 3.5. */
const SERVERS_NODE = "/zookeeper/config";

const GREETING = { text: "srvr", answer: /^\w/ };

/** Servers that only hung up are asked whether it is TLS that they want, or do not speak, for at most `withinMs`. */
async function mismatch(
  error: unknown,
  { addresses, tls }: Settings,
  withinMs: number,
): Promise<ZookeeperError | undefined> {
  const [first] = addresses;
  if (!isKind(error, "refused") || first === undefined) return undefined;
  const isSpoken = await speaksTls({ ...first, withinMs, ...(tls === undefined ? {} : { greeting: GREETING }) });
  if (isSpoken === undefined || isSpoken === (tls !== undefined)) return undefined;
  return isSpoken
    ? new ZookeeperError("tlsWanted", "The server speaks TLS and was spoken to without.")
    : new ZookeeperError("tls", "it speaks none");
}

async function openStore(settings: Settings, { clock }: CoordinationContext): Promise<ZookeeperCoordination> {
  const { callMs, connectMs, root, access, isAccessAsked } = settings;
  const layout = new Layout(root);
  let acl = access === "creator" ? CREATOR : EVERYBODY;
  const servers = new Servers({ ...settings, clock });
  const watches = new CoordinationWatches(layout);
  const client = new KeptClient(
    { servers, clock, connectMs, callMs },
    { event: ({ path }) => watches.changed(path), reconnected: () => watches.doubt() },
  );
  const until = clock.monotonic() + connectMs;
  try {
    await client.open();
    if (acl === CREATOR && !isAccessAsked && (await isForEverybody(client, root))) acl = EVERYBODY;
    await openRoot(client, layout, acl);
  } catch (error) {
    await client.close();
    throw (await mismatch(error, settings, until - clock.monotonic())) ?? error;
  }
  return new ZookeeperCoordination({ clock, callMs, layout, acl, servers, client, watches });
}

/** @throws INVALID_ARGUMENT for an option that is unknown or wrong. */
export function zookeeperCoordinationStore(options: ZookeeperOptions): CoordinationStore {
  const settings = resolveOptions(options);
  return guardedStore({
    name: "zookeeper",
    title: TITLE,
    capabilities: CAPABILITIES,
    open: (context) => openStore(settings, context),
    classify: (error) => classify(error, shownServers(settings), settings.root),
  });
}

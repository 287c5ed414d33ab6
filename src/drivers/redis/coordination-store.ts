/**
 * Keys and sessions on a Redis or Valkey server: alone, behind Sentinel, or on a Cluster.
 *
 * - A transaction is atomic because it is one script: the server runs no other command meanwhile. All keys have one hash tag.
 * - A crash of a client leaves whole scripts, and sessions that nobody renews: every script first ends those past their time by the server's clock,
 *   and clients that watch call one at the next end. A crash of the server leaves what its persistence kept. A fail-over can lose the newest
 *   writes, and while the old primary is still reached two may hold one lock: versions rise all the same, so fencing decides. With `replicas` a
 *   transaction, and a sign of life, holds only once so many replicas have it: a successor among them has it too.
 * - Watches are emulated: each script publishes the names of its keys, and every second the prefixes are looked at anyway.
 * - The layout is in coordination-scripts.ts and docs/backends/redis.md; why it is so, in docs/adr/0110.
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
import type { Fingerprint, Look, Snapshot } from "../shared/prefix-watches.ts";
import { connectionFor } from "./clients/connect.ts";
import type { Argument, RedisConnection } from "./clients/connection.ts";
import { ChangeChannel } from "./coordination-changes.ts";
import { COORDINATION_LAYOUT, coordinationScripts as scripts } from "./coordination-scripts.ts";
import { Durable } from "./durable.ts";
import { classify, lostAnswer } from "./errors.ts";
import { rootOf } from "./keys.ts";
import type { Partition } from "./keys.ts";
import { POLL_MS } from "./limits.ts";
import { explained, notOpened, shownAddress } from "./open-store.ts";
import { resolveOptions } from "./options.ts";
import type { RedisDriverOptions, Settings } from "./options.ts";
import { checkServer } from "./server-check.ts";
import { RedisStore, within } from "./store.ts";

const CAPABILITIES: CoordinationCapabilities = {
  shared: true,
  consistency: "untilFailover",
  session: { minTtlMs: 200, maxTtlMs: 86_400_000, endFactor: 1, endLagMs: POLL_MS },
  watch: { lagMs: POLL_MS },
  limits: { keyBytes: 1_024, valueBytes: 1_048_576, operations: 500, transactionBytes: 8 * 1_048_576 },
};

const FOREVER = { count: Infinity, ageMs: Infinity };
/** Behind every key of a prefix: keys are ASCII below it. */
const PAST = "\u007f";

/** A holder relies on these: with `replicas` they are not confirmed before a successor of the server would know. */
const RELIED_ON: ReadonlySet<keyof typeof scripts> = new Set([
  "transact",
  "openSession",
  "renewSession",
  "closeSession",
]);

class RedisCoordination implements OpenCoordination {
  readonly #store: RedisStore;
  readonly #root: Partition;
  readonly #durable: Durable | undefined;
  readonly #watches: PrefixWatches;
  readonly #seen = new Seen();

  constructor(store: RedisStore, root: Partition, durable: Durable | undefined, clock: Clock) {
    this.#store = store;
    this.#root = root;
    this.#durable = durable;
    const watches = new PrefixWatches(clock, POLL_MS, (prefixes) => this.#look(prefixes));
    watches.hints = new ChangeChannel(store, root, {
      keys: (names) => watches.told(names),
      anything: () => watches.look(),
    });
    this.#watches = watches;
  }

  async close(): Promise<void> {
    this.#watches.close();
    this.#durable?.connection.close();
    this.#store.connection.close();
  }

  async get(key: string): Promise<CoordinationEntry | undefined> {
    const record = await this.#call("get", [key]);
    return record === null ? undefined : entryOf(key, record as Buffer);
  }

  list(prefix: string, options: ListOptions): Promise<Listed> {
    return this.#snapshot(prefix, options);
  }

  async #snapshot(prefix: string, { after = "", limit = -1 }: ListOptions = {}): Promise<Snapshot> {
    const [, least, most] = rangeOf(prefix);
    const from = after >= prefix ? `(${after}` : least;
    const reply = await this.#call("list", [areaOf(prefix), from, most, String(limit)]);
    const [changed, removed, keys, records] = reply as readonly [Buffer, Buffer, readonly Buffer[], readonly Buffer[]];
    return {
      entries: records.map((record, index) => entryOf(String(keys[index]), record)),
      revision: String(changed),
      changed: BigInt(String(changed)),
      removed: BigInt(String(removed)),
    };
  }

  async transact(compares: readonly Compare[], writes: readonly CoordinationWrite[]): Promise<TransactResult> {
    const { connection } = this.#durable ?? this.#store;
    const { losses } = connection;
    const reply = await this.#call("transact", transaction(compares, writes));
    if (reply === null) {
      // A client that sent it again after a reconnect may have found its own first try.
      if (connection.losses !== losses) throw lostAnswer(this.#store.shown);
      return { ok: false };
    }
    this.#watches.changed(writes.map((write) => ("put" in write ? write.put : write.delete)));
    const version = String(reply as Buffer);
    return { ok: true, revision: version, versions: writes.map(() => version) };
  }

  async openSession(ttlMs: number): Promise<CoordinationSession> {
    const id = crypto.randomUUID();
    await this.#call("openSession", [id, String(ttlMs)]);
    return {
      id,
      renew: async () => (Number(await this.#call("renewSession", [id])) === 1 ? "ok" : "lost"),
      close: async () => {
        await this.#call("closeSession", [id]);
      },
    };
  }

  watch(prefix: string, watching: Watching): AsyncIterable<WatchEvent> {
    const { from = "" } = watching;
    const since = /^\d+$/.test(from) ? BigInt(from) : undefined;
    return this.#watches.watch(prefix, since, watching, () => this.#snapshot(prefix));
  }

  async #call(name: keyof typeof scripts, args: readonly Argument[]): Promise<unknown> {
    const [store, durable] = [this.#store, this.#durable];
    if (durable === undefined) return store.call(scripts[name], this.#root, args);
    // What is read goes where was written: after a fail-over another connection can still be at the old primary.
    const { connection } = durable;
    const call = (): Promise<unknown> => store.call(scripts[name], this.#root, args, { connection });
    return RELIED_ON.has(name) ? durable.write(this.#root, call) : call();
  }

  /** Nothing of the prefixes comes back where nothing was written since the last look. */
  async #look(prefixes: readonly string[]): Promise<Look> {
    const seen = this.#seen;
    const args = [seen.versionFor(prefixes), ...prefixes.flatMap(rangeOf)];
    const reply = await this.#store.call(scripts.look, this.#root, args);
    const [newest, next, ...found] = reply as readonly (Buffer | number)[];
    if (found.length > 0) seen.keep(prefixes, String(newest), fingerprintsIn(found));
    return { found: seen.found, nextEndMs: Number(next) < 0 ? undefined : Number(next) };
  }
}

/** What the last look found. It holds for the same prefixes as long as the store has given no new version. */
class Seen {
  found: readonly Fingerprint[] = [];
  #prefixes = "";
  #version = "";

  /** Empty when the prefixes are others. */
  versionFor(prefixes: readonly string[]): string {
    return prefixes.join(" ") === this.#prefixes ? this.#version : "";
  }

  keep(prefixes: readonly string[], version: string, found: readonly Fingerprint[]): void {
    this.#prefixes = prefixes.join(" ");
    this.#version = version;
    this.found = found;
  }
}

function fingerprintsIn(found: readonly (Buffer | number)[]): readonly Fingerprint[] {
  return Array.from({ length: found.length / 2 }, (_, index) => ({
    keys: Number(found[2 * index]),
    newest: String(found[2 * index + 1]),
  }));
}

/** Area, and the ends of its range as ZRANGEBYLEX has them. */
function rangeOf(prefix: string): readonly [string, string, string] {
  return [areaOf(prefix), `[${prefix}`, `(${prefix}${PAST}`];
}

function entryOf(key: string, record: Buffer): CoordinationEntry {
  const first = record.indexOf(":");
  const second = record.indexOf(":", first + 1);
  return { key, version: record.toString("latin1", 0, first), value: Uint8Array.from(record.subarray(second + 1)) };
}

function transaction(compares: readonly Compare[], writes: readonly CoordinationWrite[]): readonly Argument[] {
  const keyed = compares.flatMap((compare) => ("session" in compare ? [] : [compare]));
  const sessions = [...compares, ...writes].flatMap((one) =>
    "session" in one && one.session !== undefined ? [one.session] : [],
  );
  return [
    sessions[0] ?? "",
    String(keyed.length),
    ...keyed.flatMap((one) => [one.key, "version" in one ? versionText(one.version) : ""]),
    ...writes.flatMap((write): readonly Argument[] => {
      if ("delete" in write) return ["d", write.delete, ""];
      // Copied: what the program does to a value while the command waits to be sent must not be written.
      return [write.session === undefined ? "p" : "o", write.put, Buffer.from(write.value)];
    }),
  ];
}

/** What this store cannot have given holds for no key. */
function versionText(version: string): string {
  return /^[1-9]\d*$/.test(version) ? version : "none";
}

async function openStore(settings: Settings, context: CoordinationContext): Promise<RedisCoordination> {
  const connection = await connectionFor(settings);
  try {
    return await within(openOn(connection, settings, context), settings.connectMs, () =>
      notOpened(connection, settings),
    );
  } catch (error) {
    connection.close();
    throw await explained(error, settings);
  }
}

async function openOn(
  connection: RedisConnection,
  settings: Settings,
  { clock }: CoordinationContext,
): Promise<RedisCoordination> {
  const { commandMs, time, prefix, replicas } = settings;
  const root = rootOf(prefix);
  await connection.ready();
  await checkServer(connection, root.route);
  const context = { clock, logger: silentLogger, retention: { completed: FOREVER, failed: FOREVER } };
  const shown = shownAddress(settings);
  const store = new RedisStore({ connection, partitions: [root], context, shown, commandMs, time });
  const layout = Number(await store.call(scripts.open, root, [String(COORDINATION_LAYOUT)]));
  if (layout > COORDINATION_LAYOUT) {
    throw new JobferryError(
      "STORE_NEWER",
      `The cluster's keys under the prefix ${JSON.stringify(prefix)} have layout ${layout}; this version of Jobferry reads ${COORDINATION_LAYOUT}. Upgrade Jobferry here.`,
    );
  }
  const wanted = { fsync: false, replicas, waitMs: commandMs };
  const durable = replicas > 0 ? new Durable(store, await connection.duplicate("durable"), wanted) : undefined;
  return new RedisCoordination(store, root, durable, clock);
}

/**
 * A coordination store on Redis or Valkey. It may be the server and prefix of a queue.
 * @throws INVALID_ARGUMENT for an option that is unknown or wrong.
 */
export function redisCoordinationStore(options: RedisDriverOptions): CoordinationStore {
  const settings = resolveOptions(options);
  return guardedStore({
    name: "redis",
    title: "Redis",
    capabilities: CAPABILITIES,
    open: (context) => openStore(settings, context),
    classify: (error) => classify(error, shownAddress(settings)),
  });
}

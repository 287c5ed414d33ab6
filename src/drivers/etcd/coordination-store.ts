/**
 * Keys and sessions on etcd (3.4 or newer): a single node, or a cluster.
 *
 * - A transaction is etcd's own: one entry of its log, with the compares. Its revision is the version of every key that it puts.
 * - A session is a lease with a marker under it, because etcd cannot compare whether a lease lives. A crash of a client leaves its leases, which etcd
 *   ends by itself, with all their keys in one revision. A crash of a minority of nodes leaves everything; without a majority calls are rejected.
 *   After a change of the leader every lease gets its whole time again.
 * - Nothing is emulated but the bytes of a value (a copy) and the reset of a watch: a listing, where etcd has forgotten the start.
 * - The layout is in docs/backends/etcd.md; why it is so, in docs/adr/0121.
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
import { JobferryError } from "../../errors/index.ts";
import { settledWithin, systemClock } from "../../runtime/index.ts";
import {
  guardedStore,
  type Listed,
  type ListOptions,
  type OpenCoordination,
  type Watching,
} from "../shared/guarded-store.ts";
import { SessionTimeRefused } from "../shared/session-time-refused.ts";
import { durabilityOf } from "../shared/voters.ts";
import { shownEndpoint } from "./client/endpoint.ts";
import { EtcdClient } from "./client/etcd-client.ts";
import { EtcdRefusal, STATUS } from "./client/failures.ts";
import type { Changes } from "./client/follower.ts";
import type { EtcdCompare, EtcdEntry, EtcdWrite } from "./client/messages.ts";
import { classify, openingFailed, type Where } from "./errors.ts";
import { EtcdKeys } from "./keys.ts";
import { checkLayout } from "./layout.ts";
import { listKeys } from "./listing.ts";
import { mostOperations } from "./operations.ts";
import { resolveOptions, type EtcdStoreOptions, type Settings } from "./options.ts";

/** `operations`: fewer where the server takes fewer, known when it was asked. */
const capabilities = (operations: number): CoordinationCapabilities => ({
  shared: true,
  consistency: "linearizable",
  // etcd counts whole seconds, and looks for ended leases every half second.
  // A leader that was stopped for longer than a lease and goes on revokes what was renewed with its successor meanwhile (etcd-io/etcd#15247 mended that for
  // one that is blocked, not for one that is stopped; seen on 3.6).
  session: { minTtlMs: 2_000, maxTtlMs: 86_400_000, endFactor: 1, endLagMs: 1_500, mayEndEarly: true },
  watch: { lagMs: 500 },
  // Of the 1.5 MiB of a request, what keys and compares can take is left free.
  limits: { keyBytes: 1_024, valueBytes: 1_048_576, operations, transactionBytes: 1_400_000 },
});
/** Of etcd's defaults. */
const MOST_OPERATIONS = 128;

class EtcdCoordination implements OpenCoordination {
  readonly #client: EtcdClient;
  readonly #keys: EtcdKeys;
  readonly operations: number;

  constructor(client: EtcdClient, keys: EtcdKeys, operations: number) {
    this.#client = client;
    this.#keys = keys;
    this.operations = operations;
  }

  close(): Promise<void> {
    return this.#client.close();
  }

  /** Each member writes to disk before it answers. What `--unsafe-no-fsync` leaves out none of its answers tells, and not every user may see the members. */
  async durability(): Promise<Durability> {
    return durabilityOf(await this.#client.voters().catch(() => 1));
  }

  async get(key: string): Promise<CoordinationEntry | undefined> {
    const found = await this.#client.get(this.#keys.of(key));
    return found === undefined ? undefined : this.#entry(found);
  }

  async list(prefix: string, { limit, after }: ListOptions): Promise<Listed> {
    const from = after === undefined ? undefined : this.#keys.of(after);
    const { entries, revision } = await listKeys(this.#client, this.#keys.of(prefix), { after: from, limit });
    return { entries: entries.map((one) => this.#entry(one)), revision: String(revision) };
  }

  async transact(compares: readonly Compare[], writes: readonly CoordinationWrite[]): Promise<TransactResult> {
    try {
      const { succeeded, revision } = await this.#client.transact(
        compares.map((compare) => this.#compare(compare)),
        writes.map((write) => this.#write(write)),
      );
      const version = String(revision);
      return succeeded ? { ok: true, revision: version, versions: writes.map(() => version) } : { ok: false };
    } catch (error) {
      if (isLeaseGone(error)) return { ok: false };
      throw error;
    }
  }

  async openSession(ttlMs: number): Promise<CoordinationSession> {
    const client = this.#client;
    const asked = Math.ceil(ttlMs / 1_000);
    const { lease, seconds } = await client.grant(asked);
    if (seconds > asked) {
      await client.revoke(lease);
      throw new SessionTimeRefused(
        `etcd gives no session of less than ${seconds} s, because of its --election-timeout; asked were ${asked} s. Ask for ${seconds} s or more.`,
        seconds * 1_000,
      );
    }
    const id = EtcdKeys.idOf(lease);
    const marker = { put: this.#keys.session(id), value: new Uint8Array(), lease };
    await client.transact([], [marker]);
    return {
      id,
      renew: async () => ((await client.keepAlive(lease)) ? "ok" : "lost"),
      close: () => client.revoke(lease),
    };
  }

  async *watch(prefix: string, { from = "", over }: Watching): AsyncGenerator<WatchEvent, void, undefined> {
    const place = this.#keys.of(prefix);
    let known = /^\d{1,18}$/.test(from) ? BigInt(from) : undefined;
    while (!over.aborted) {
      if (known === undefined) {
        const { entries, revision } = await listKeys(this.#client, place);
        known = revision;
        yield { kind: "reset", entries: entries.map((one) => this.#entry(one)), revision: String(revision) };
      }
      for await (const changes of this.#client.watch(place, known + 1n, over)) {
        known = changes === "gap" ? undefined : changes.revision;
        if (changes !== "gap") yield this.#event(changes);
      }
    }
  }

  #event({ events, revision }: Changes): WatchEvent {
    return {
      kind: "change",
      entries: events.flatMap(({ entry }) => (entry === undefined ? [] : [this.#entry(entry)])),
      removed: events.flatMap(({ key, entry }) => (entry === undefined ? [this.#keys.nameOf(key)] : [])),
      revision: String(revision),
    };
  }

  #entry({ key, value, modRevision }: EtcdEntry): CoordinationEntry {
    return { key: this.#keys.nameOf(key), value, version: String(modRevision) };
  }

  #compare(compare: Compare): EtcdCompare {
    if ("session" in compare) return { key: this.#keys.session(compare.session), exists: true };
    const key = this.#keys.of(compare.key);
    return "absent" in compare ? { key, exists: false } : { key, modRevision: revisionOf(compare.version) };
  }

  #write(write: CoordinationWrite): EtcdWrite {
    if ("delete" in write) return { delete: this.#keys.of(write.delete) };
    const { put, value, session } = write;
    const key = this.#keys.of(put);
    return session === undefined ? { put: key, value } : { put: key, value, lease: EtcdKeys.leaseOf(session) };
  }
}

const NEVER = 2n ** 63n - 1n;

/** What this store cannot have given holds for no key. */
function revisionOf(version: string): bigint {
  return /^[1-9]\d{0,17}$/.test(version) ? BigInt(version) : NEVER;
}

function isLeaseGone(error: unknown): boolean {
  return error instanceof EtcdRefusal && error.status === STATUS.notFound && error.details.includes("lease not found");
}

async function openStore(settings: Settings, where: Where, closed: AbortSignal): Promise<EtcdCoordination> {
  const client = new EtcdClient(settings);
  const keys = new EtcdKeys(settings.prefix);
  const until = systemClock.monotonic() + settings.connectMs;
  const giveUp = (): void => void client.close();
  closed.addEventListener("abort", giveUp, { once: true });
  try {
    const checked = checkLayout(client, keys).then(() => mostOperations(client, keys, MOST_OPERATIONS));
    checked.catch(() => undefined); // told below, unless its time is over
    if (!(await settledWithin(systemClock, checked, settings.connectMs)))
      throw new JobferryError(
        "UNAVAILABLE",
        `etcd at ${where.shown} was not ready within ${settings.connectMs} ms (connectTimeout).`,
        { retryable: true },
      );
    return new EtcdCoordination(client, keys, await checked);
  } catch (error) {
    await client.close();
    throw await openingFailed(error, where, settings.endpoints, until - systemClock.monotonic());
  } finally {
    closed.removeEventListener("abort", giveUp);
  }
}

/**
 * A coordination store on etcd.
 * @throws INVALID_ARGUMENT for an option that is unknown or wrong.
 */
export function etcdCoordinationStore(options: EtcdStoreOptions): CoordinationStore {
  const settings = resolveOptions(options);
  const { endpoints, prefix, isSecure } = settings;
  const where = { shown: endpoints.map(shownEndpoint).join(", "), prefix: `${prefix}/`, isSecure };
  let opened: EtcdCoordination | undefined;
  return guardedStore({
    name: "etcd",
    title: "etcd",
    get capabilities() {
      return capabilities(opened?.operations ?? MOST_OPERATIONS);
    },
    open: async (_context, closed) => (opened = await openStore(settings, where, closed)),
    classify: (error) => classify(error, where),
  });
}

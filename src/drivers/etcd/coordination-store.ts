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
import { settledWithin, systemClock } from "../../runtime/index.ts";
import { checkKey, checkListing, checkPrefix, checkTransaction, checkTtl } from "../shared/coordination-arguments.ts";
import { EtcdClient } from "./client/etcd-client.ts";
import { EtcdRefusal, STATUS } from "./client/failures.ts";
import type { Changes } from "./client/follower.ts";
import type { EtcdCompare, EtcdEntry, EtcdWrite } from "./client/messages.ts";
import { classify, openingFailed, type Where } from "./errors.ts";
import { EtcdKeys } from "./keys.ts";
import { checkLayout } from "./layout.ts";
import { listKeys } from "./listing.ts";
import { resolveOptions, type EtcdStoreOptions, type Settings } from "./options.ts";

class EtcdCoordination implements CoordinationStore {
  readonly name = "etcd";
  readonly capabilities: CoordinationCapabilities = {
    shared: true,
    consistency: "linearizable",
    // etcd counts whole seconds, and looks for ended leases every half second.
    session: { minTtlMs: 2_000, maxTtlMs: 86_400_000, endFactor: 1, endLagMs: 1_500 },
    watch: { lagMs: 500 },
    // Of the 1.5 MiB of a request, what keys and compares can take is left free.
    limits: { keyBytes: 1_024, valueBytes: 1_048_576, operations: 128, transactionBytes: 1_400_000 },
  };
  readonly #settings: Settings;
  readonly #keys: EtcdKeys;
  readonly #closed = new AbortController();
  #client: EtcdClient | undefined;
  #opening: Promise<void> | undefined;
  #isOpen = false;
  #closing: Promise<void> | undefined;

  constructor(options: EtcdStoreOptions) {
    this.#settings = resolveOptions(options);
    this.#keys = new EtcdKeys(this.#settings.prefix);
  }

  async open(_context: CoordinationContext): Promise<void> {
    if (this.#closing !== undefined) throw closed();
    this.#opening ??= this.#open();
    try {
      await this.#opening;
    } catch (error) {
      this.#opening = undefined;
      throw error;
    }
  }

  async #open(): Promise<void> {
    const client = new EtcdClient(this.#settings);
    this.#client = client;
    try {
      const checked = checkLayout(client, this.#keys);
      checked.catch(() => undefined); // told below, unless its time is over
      if (!(await settledWithin(systemClock, checked, this.#settings.connectMs)))
        throw new JobferryError(
          "UNAVAILABLE",
          `etcd at ${client.shown} was not ready within ${this.#settings.connectMs} ms (connectTimeout).`,
          { retryable: true },
        );
      await checked;
      this.#isOpen = true;
    } catch (error) {
      await client.close();
      throw await openingFailed(error, this.#where, this.#settings.endpoints);
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#closed.abort();
    await this.#client?.close();
    await this.#opening?.catch(() => undefined);
  }

  classify(error: unknown): ErrorClass {
    return classify(error, this.#where);
  }

  get #where(): Where {
    const { isSecure } = this.#settings;
    return { shown: this.#client?.shown ?? "its endpoints", prefix: this.#keys.root, isSecure };
  }

  /** @throws NOT_OPEN, CLOSED. */
  get #here(): EtcdClient {
    if (this.#closing !== undefined) throw closed();
    if (this.#client === undefined || !this.#isOpen)
      throw new JobferryError("NOT_OPEN", "The etcd store is not open. Call open() first.");
    return this.#client;
  }

  async get(key: string): Promise<CoordinationEntry | undefined> {
    checkKey(key, this.capabilities.limits);
    const found = await this.#here.get(this.#keys.of(key));
    return found === undefined ? undefined : this.#entry(found);
  }

  async list(
    prefix: string,
    options: Readonly<{ limit?: number; after?: string }> = {},
  ): Promise<Readonly<{ entries: readonly CoordinationEntry[]; revision: Revision }>> {
    checkListing(prefix, options);
    const { limit, after } = options;
    const from = after === undefined ? undefined : this.#keys.of(after);
    const { entries, revision } = await listKeys(this.#here, this.#keys.of(prefix), { after: from, limit });
    return { entries: entries.map((one) => this.#entry(one)), revision: String(revision) };
  }

  async transact(compares: readonly Compare[], writes: readonly CoordinationWrite[]): Promise<TransactResult> {
    checkTransaction(compares, writes, this.capabilities.limits);
    const client = this.#here;
    try {
      const { succeeded, revision } = await client.transact(
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
    checkTtl(ttlMs, this.capabilities.session);
    const client = this.#here;
    const asked = Math.ceil(ttlMs / 1_000);
    const { lease, seconds } = await client.grant(asked);
    if (seconds > asked) {
      await client.revoke(lease);
      throw new JobferryError(
        "INVALID_ARGUMENT",
        `etcd gives no session of less than ${seconds} s, because of its --election-timeout; asked were ${asked} s. Ask for ${seconds} s or more.`,
      );
    }
    const id = EtcdKeys.idOf(lease);
    const marker = { put: this.#keys.session(id), value: new Uint8Array(), lease };
    await client.transact([], [marker]);
    return {
      id,
      renew: async () => ((await this.#here.keepAlive(lease)) ? "ok" : "lost"),
      close: async () => {
        await this.#here.revoke(lease);
      },
    };
  }

  async *watch(
    prefix: string,
    options: Readonly<{ from?: Revision; signal: AbortSignal }>,
  ): AsyncGenerator<WatchEvent, void, undefined> {
    checkPrefix(prefix);
    const client = this.#here;
    const over = AbortSignal.any([options.signal, this.#closed.signal]);
    const place = this.#keys.of(prefix);
    const { from = "" } = options;
    let known = /^\d{1,18}$/.test(from) ? BigInt(from) : undefined;
    try {
      while (!over.aborted) {
        if (known === undefined) {
          const { entries, revision } = await listKeys(client, place);
          known = revision;
          yield { kind: "reset", entries: entries.map((one) => this.#entry(one)), revision: String(revision) };
        }
        for await (const changes of client.watch(place, known + 1n, over)) {
          known = changes === "gap" ? undefined : changes.revision;
          if (changes !== "gap") yield this.#event(changes);
        }
      }
    } catch (error) {
      // What was on its way when it ended is nobody's.
      if (!over.aborted) throw error;
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

function closed(): JobferryError {
  return new JobferryError("CLOSED", "The etcd store is closed. Make another one.");
}

/**
 * A coordination store on etcd.
 * @throws INVALID_ARGUMENT for an option that is unknown or wrong.
 */
export function etcdCoordinationStore(options: EtcdStoreOptions): CoordinationStore {
  return new EtcdCoordination(options);
}

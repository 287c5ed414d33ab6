// Native here: revisions as versions, watches from a revision. Emulated: whether a session lives, by a marker key under its lease.
import type {
  Compare,
  CoordinationCapabilities,
  CoordinationEntry,
  CoordinationSession,
  CoordinationStore,
  CoordinationWrite,
  TransactResult,
  WatchEvent,
} from "../../../src/contract/index.ts";
import {
  checkKey,
  checkListing,
  checkPrefix,
  checkTransaction,
  checkTtl,
} from "../../../src/drivers/shared/coordination-arguments.ts";
import { Bell } from "../../../src/runtime/index.ts";
import type { EtcdCompare, EtcdEvent, EtcdKey, EtcdOp, EtcdServer } from "./etcd-server.ts";
import { classify, ForeignLife } from "./foreign-life.ts";

const entryOf = ({ key, value, modRevision }: EtcdKey): CoordinationEntry => ({
  key,
  value: value.slice(),
  version: String(modRevision),
});
const markerOf = (lease: string): string => `#session/${lease}`;

export class EtcdStore implements CoordinationStore {
  readonly name = "etcd-like";
  readonly capabilities: CoordinationCapabilities = {
    shared: true,
    consistency: "linearizable",
    session: { minTtlMs: 2_000, maxTtlMs: 86_400_000, endFactor: 1, endLagMs: 500 },
    watch: { lagMs: 20 },
    limits: { keyBytes: 1_024, valueBytes: 1_000_000, operations: 128, transactionBytes: 1_500_000 },
  };
  readonly #server: EtcdServer;
  readonly #life = new ForeignLife();
  readonly classify = classify;
  readonly open: CoordinationStore["open"] = (context) => this.#life.open(context);

  constructor(server: EtcdServer) {
    this.#server = server;
  }

  close(): Promise<void> {
    return this.#life.close();
  }

  async get(key: string): Promise<CoordinationEntry | undefined> {
    checkKey(key, this.capabilities.limits);
    this.#life.check();
    const found = this.#server.get(key);
    return found === undefined ? undefined : entryOf(found);
  }

  list: CoordinationStore["list"] = async (prefix, options = {}) => {
    checkListing(prefix, options);
    this.#life.check();
    const { limit, after = "" } = options;
    const found = this.#server.range(prefix).filter(({ key }) => key > after);
    return { entries: found.slice(0, limit).map(entryOf), revision: String(this.#server.revision) };
  };

  async transact(compares: readonly Compare[], writes: readonly CoordinationWrite[]): Promise<TransactResult> {
    checkTransaction(compares, writes, this.capabilities.limits);
    this.#life.check();
    const conditions = compares.map((compare): EtcdCompare => {
      if ("session" in compare) return { key: markerOf(compare.session), exists: true };
      return "absent" in compare
        ? { key: compare.key, exists: false }
        : { key: compare.key, modRevision: Number(compare.version) };
    });
    const ops = writes.map((write): EtcdOp => {
      if ("delete" in write) return write;
      const { put, value, session } = write;
      return session === undefined ? { put, value } : { put, value, lease: Number(session) };
    });
    try {
      const { succeeded, revision } = this.#server.txn(conditions, ops);
      const text = String(revision);
      return succeeded ? { ok: true, revision: text, versions: writes.map(() => text) } : { ok: false };
    } catch (error) {
      if (error instanceof Error && error.message.endsWith("lease not found")) return { ok: false };
      throw error;
    }
  }

  async openSession(ttlMs: number): Promise<CoordinationSession> {
    checkTtl(ttlMs, this.capabilities.session);
    this.#life.check();
    const lease = this.#server.grant(ttlMs);
    const id = String(lease);
    this.#server.txn([], [{ put: markerOf(id), value: new Uint8Array(), lease }]);
    return {
      id,
      renew: async () => (this.#server.keepAlive(lease) ? "ok" : "lost"),
      close: async () => this.#server.revoke(lease),
    };
  }

  async *watch(
    prefix: string,
    options: Parameters<CoordinationStore["watch"]>[1],
  ): AsyncGenerator<WatchEvent, void, undefined> {
    checkPrefix(prefix);
    this.#life.check();
    const over = AbortSignal.any([options.signal, this.#life.closed.signal]);
    const bell = new Bell();
    over.addEventListener("abort", bell.ring);
    // The newest of each key: what a slow reader did not take yet is merged, so it is bounded by the keys.
    let pending = new Map<string, EtcdEvent>();
    const collect = (events: readonly EtcdEvent[]): void => {
      for (const event of events) pending.set(event.key, event);
      bell.ring();
    };
    let stop = options.from === undefined ? undefined : this.#server.watch(prefix, Number(options.from) + 1, collect);
    try {
      if (stop === undefined) {
        const { revision } = this.#server;
        const entries = this.#server.range(prefix).map(entryOf);
        stop = this.#server.watch(prefix, revision + 1, collect);
        yield { kind: "reset", entries, revision: String(revision) };
      }
      while (!over.aborted) {
        if (pending.size === 0) await bell.wait();
        const events = [...pending.values()];
        pending = new Map();
        if (events.length === 0 || over.aborted) continue;
        yield {
          kind: "change",
          entries: events.flatMap(({ entry }) => (entry === undefined ? [] : [entryOf(entry)])),
          removed: events.filter(({ entry }) => entry === undefined).map(({ key }) => key),
          revision: String(Math.max(...events.map(({ revision }) => revision))),
        };
      }
    } finally {
      stop?.();
      over.removeEventListener("abort", bell.ring);
    }
  }
}

// Native here: indexes as versions. Emulated: the watch, by reading the whole prefix whenever a blocking query returns; the owner of a key, by
// deleting it in the transaction that puts it; whether a session lives, by a marker key that it locks.
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
import { WatchedState } from "../../../src/drivers/shared/watched-state.ts";
import { Bell } from "../../../src/runtime/index.ts";
import type { ConsulKey, ConsulServer, ConsulVerb } from "./consul-server.ts";
import { classify, ForeignLife } from "./foreign-life.ts";

const entryOf = ({ key, value, modifyIndex }: ConsulKey): CoordinationEntry => ({
  key,
  value: value.slice(),
  version: String(modifyIndex),
});
const markerOf = (session: string): string => `#session/${session}`;

export class ConsulStore implements CoordinationStore {
  readonly name = "consul-like";
  readonly capabilities: CoordinationCapabilities = {
    shared: true,
    consistency: "linearizable",
    session: { minTtlMs: 10_000, maxTtlMs: 86_400_000, endFactor: 2, endLagMs: 250 },
    watch: { lagMs: 20 },
    // A put is two verbs of the 128.
    limits: { keyBytes: 512, valueBytes: 300_000, operations: 64, transactionBytes: 350_000 },
  };
  readonly #server: ConsulServer;
  readonly #life = new ForeignLife();
  readonly classify = classify;
  readonly open: CoordinationStore["open"] = (context) => this.#life.open(context);

  constructor(server: ConsulServer) {
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
    const { index, entries } = this.#server.read(prefix);
    const { limit, after = "" } = options;
    const found = entries.filter(({ key }) => key > after).slice(0, limit);
    return { entries: found.map(entryOf), revision: String(index) };
  };

  async transact(compares: readonly Compare[], writes: readonly CoordinationWrite[]): Promise<TransactResult> {
    checkTransaction(compares, writes, this.capabilities.limits);
    this.#life.check();
    const conditions = compares.map((compare): ConsulVerb => {
      if ("session" in compare) {
        return { verb: "check-session", key: markerOf(compare.session), session: compare.session };
      }
      return "absent" in compare
        ? { verb: "check-not-exists", key: compare.key }
        : { verb: "check-index", key: compare.key, index: Number(compare.version) };
    });
    const verbs = writes.flatMap((write): readonly ConsulVerb[] => {
      if ("delete" in write) return [{ verb: "delete", key: write.delete }];
      const { put: key, value, session } = write;
      const put: ConsulVerb =
        session === undefined ? { verb: "set", key, value } : { verb: "lock", key, value, session };
      return [{ verb: "delete", key }, put];
    });
    const index = this.#server.txn([...conditions, ...verbs]);
    if (index === undefined) return { ok: false };
    const text = String(index);
    return { ok: true, revision: text, versions: writes.map(() => text) };
  }

  async openSession(ttlMs: number): Promise<CoordinationSession> {
    checkTtl(ttlMs, this.capabilities.session);
    this.#life.check();
    const id = this.#server.createSession(ttlMs);
    this.#server.txn([{ verb: "lock", key: markerOf(id), value: new Uint8Array(), session: id }]);
    return {
      id,
      renew: async () => (this.#server.renewSession(id) ? "ok" : "lost"),
      close: async () => this.#server.destroySession(id),
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
    const unblock = this.#server.block(bell.ring);
    try {
      const state = new WatchedState();
      const first = this.#server.read(prefix);
      const start = state.reset(first.entries.map(entryOf), String(first.index));
      // There is no history: only when nothing at all was written since does the listing still hold.
      if (options.from !== String(first.index)) yield start;
      while (!over.aborted) {
        const { index, entries } = this.#server.read(prefix);
        const event = state.change(entries.map(entryOf), String(index));
        if (event === undefined) await bell.wait();
        else yield event;
      }
    } finally {
      unblock();
      over.removeEventListener("abort", bell.ring);
    }
  }
}

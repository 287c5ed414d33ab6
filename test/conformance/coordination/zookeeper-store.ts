// Native here: zxids as versions, ephemeral nodes. Emulated: compares by zxid, because a node's own version begins again when it is made
// anew: each transaction raises the version of its area's parent and checks the one that it read, so what it compared cannot have changed. An
// expired session does not raise it: who compared a version also checks that the node is there. A session is a connection of its own.
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
  areaOf,
  checkKey,
  checkListing,
  checkPrefix,
  checkTransaction,
  checkTtl,
} from "../../../src/drivers/shared/coordination-arguments.ts";
import { WatchedState } from "../../../src/drivers/shared/watched-state.ts";
import { Bell, Deferred, nextTurn } from "../../../src/runtime/index.ts";
import { classify, ForeignLife } from "./foreign-life.ts";
import type { AreaStat, MultiOp, ZookeeperServer } from "./zookeeper-server.ts";

const MAX_SESSION_MS = 40_000;
const EMPTY = new Uint8Array();

/** `a/b/c/d` is the node `/k/a,b/c,d`: ephemeral nodes have no children, keys may. */
const areaPath = (prefix: string): string => `/k/${areaOf(prefix).replaceAll("/", ",")}`;
const pathOf = (key: string): string => `${areaPath(key)}/${key.slice(areaOf(key).length + 1).replaceAll("/", ",")}`;
const keyOf = (path: string): string => path.slice(3).replace("/", ",").replaceAll(",", "/");
const isSame = (a: AreaStat, b: AreaStat): boolean => a.version === b.version && a.cversion === b.cversion;

/** One trip to the server: others get their turn. */
function trip(): Promise<void> {
  const arrived = new Deferred();
  nextTurn(arrived.resolve);
  return arrived.promise;
}

export class ZookeeperStore implements CoordinationStore {
  readonly name = "zookeeper-like";
  readonly capabilities: CoordinationCapabilities = {
    shared: true,
    consistency: "linearizable",
    session: { minTtlMs: 4_000, maxTtlMs: MAX_SESSION_MS, endFactor: 1, endLagMs: 1_000 },
    watch: { lagMs: 20 },
    limits: { keyBytes: 512, valueBytes: 900_000, operations: 500, transactionBytes: 950_000 },
  };
  readonly #server: ZookeeperServer;
  readonly #life = new ForeignLife();
  readonly #connections = new Map<string, number>();
  #main = 0;
  readonly classify = classify;
  readonly open: CoordinationStore["open"] = (context) => this.#life.open(context);

  constructor(server: ZookeeperServer) {
    this.#server = server;
  }

  async close(): Promise<void> {
    await this.#life.close();
    this.#server.disconnect(this.#main);
  }

  async get(key: string): Promise<CoordinationEntry | undefined> {
    checkKey(key, this.capabilities.limits);
    this.#life.check();
    await trip();
    return this.#entry(pathOf(key));
  }

  list: CoordinationStore["list"] = async (prefix, options = {}) => {
    checkListing(prefix, options);
    this.#life.check();
    const { entries, stat } = await this.#snapshot(prefix);
    const { limit, after = "" } = options;
    return { entries: entries.filter(({ key }) => key > after).slice(0, limit), revision: String(stat.zxid) };
  };

  async transact(compares: readonly Compare[], writes: readonly CoordinationWrite[]): Promise<TransactResult> {
    checkTransaction(compares, writes, this.capabilities.limits);
    this.#life.check();
    const kept = writes.map((write) => ("put" in write ? { ...write, value: write.value.slice() } : write));
    const named = [...compares, ...writes].map((one) => ("session" in one ? one.session : undefined));
    const session = named.find((id) => id !== undefined);
    const connection = session === undefined ? this.#connected() : this.#connections.get(session);
    if (connection === undefined) return { ok: false };
    for (;;) {
      await trip();
      const ops = this.#planned(compares, kept);
      if (ops === undefined || !this.#server.isAlive(connection)) return { ok: false };
      await trip();
      try {
        const zxid = this.#server.multi(connection, ops);
        // It does not say what failed: read again. Either a compare fails now, or somebody else was faster.
        if (zxid === undefined) continue;
        const text = String(zxid);
        return { ok: true, revision: text, versions: writes.map(() => text) };
      } catch (error) {
        if (error instanceof Error && error.message === "SESSION_EXPIRED") return { ok: false };
        throw error;
      }
    }
  }

  async openSession(ttlMs: number): Promise<CoordinationSession> {
    checkTtl(ttlMs, this.capabilities.session);
    this.#life.check();
    const connection = this.#server.connect(ttlMs);
    const id = String(connection);
    this.#connections.set(id, connection);
    return {
      id,
      renew: async () => (this.#server.ping(connection) ? "ok" : "lost"),
      close: async () => {
        this.#connections.delete(id);
        this.#server.disconnect(connection);
      },
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
    const state = new WatchedState();
    let isFirst = true;
    while (!over.aborted) {
      // Armed before the state is read: a change in between fires it.
      this.#server.watchOnce(areaPath(prefix), bell.ring);
      const { entries, stat } = await this.#snapshot(prefix);
      const revision = String(stat.zxid);
      const event = isFirst ? state.reset(entries, revision) : state.change(entries, revision);
      const isKnown = isFirst && options.from === revision;
      isFirst = false;
      if (event !== undefined && !isKnown) yield event;
      if (!over.aborted) await bell.wait();
    }
    over.removeEventListener("abort", bell.ring);
  }

  #entry(path: string): CoordinationEntry | undefined {
    const found = this.#server.getData(path);
    return found && { key: keyOf(path), value: found.data.slice(), version: String(found.mzxid) };
  }

  /** Children are read one by one: it counts when nothing changed meanwhile. */
  async #snapshot(prefix: string): Promise<Readonly<{ entries: readonly CoordinationEntry[]; stat: AreaStat }>> {
    const area = areaPath(prefix);
    for (;;) {
      await trip();
      const stat = this.#server.stat(area);
      const paths = this.#server.getChildren(area).filter((path) => keyOf(path).startsWith(prefix));
      const entries: CoordinationEntry[] = [];
      for (const path of paths) {
        const entry = this.#entry(path);
        if (entry !== undefined) entries.push(entry);
      }
      await trip();
      if (isSame(stat, this.#server.stat(area)))
        return { entries: entries.toSorted((a, b) => (a.key < b.key ? -1 : 1)), stat };
    }
  }

  /** undefined: a compare does not hold. */
  #planned(compares: readonly Compare[], writes: readonly CoordinationWrite[]): readonly MultiOp[] | undefined {
    const keys = [
      ...compares.flatMap((compare) => ("key" in compare ? [compare.key] : [])),
      ...writes.map((write) => ("put" in write ? write.put : write.delete)),
    ];
    const areas = new Set(keys.map(areaPath));
    const ops: MultiOp[] = [...areas].map((path) => {
      return { op: "setData", path, data: EMPTY, version: this.#server.stat(path).version };
    });
    for (const compare of compares) {
      if ("session" in compare) continue;
      const path = pathOf(compare.key);
      const found = this.#server.getData(path);
      if ("absent" in compare ? found !== undefined : String(found?.mzxid) !== compare.version) return undefined;
      if (!("absent" in compare)) ops.push({ op: "check", path, version: -1 });
    }
    for (const write of writes) ops.push(...this.#opsOf(write));
    return ops;
  }

  /** The owner of a node cannot change: it is made anew. */
  #opsOf(write: CoordinationWrite): readonly MultiOp[] {
    const path = pathOf("put" in write ? write.put : write.delete);
    const removal: readonly MultiOp[] = this.#server.getData(path) === undefined ? [] : [{ op: "delete", path }];
    if ("delete" in write) return removal;
    return [...removal, { op: "create", path, data: write.value, ephemeral: write.session !== undefined }];
  }

  #connected(): number {
    if (!this.#server.ping(this.#main)) this.#main = this.#server.connect(MAX_SESSION_MS);
    return this.#main;
  }
}

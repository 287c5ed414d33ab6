// A coordination store as a third party writes one: from the contract and the errors that the package has for authors, and nothing else.
import {
  type Compare,
  type CoordinationCapabilities,
  type CoordinationEntry,
  type CoordinationSession,
  type CoordinationStore,
  type CoordinationWrite,
  type ErrorClass,
  isJobferryError,
  JobferryError,
  type TransactResult,
  type WatchEvent,
} from "jobferry/driver";
import type { World } from "./coordination-world.ts";

const KEY = /^[\w.~%-]+(?:\/[\w.~%-]+){2,}$/;
const PREFIX = /^[\w.~%-]+\/[\w.~%-]+\/[\w.~%/-]*$/;
const LIMITS = { keyBytes: 300, valueBytes: 20_000, operations: 16, transactionBytes: 50_000 };
const TTL = { minTtlMs: 100, maxTtlMs: 3_600_000 };

function want(holds: boolean, what: string, code: "INVALID_ARGUMENT" | "PAYLOAD_TOO_LARGE" = "INVALID_ARGUMENT"): void {
  if (!holds) throw new JobferryError(code, `Wanted: ${what}.`);
}

const keyIn = (write: CoordinationWrite): string => ("put" in write ? write.put : write.delete);
const wantKey = (key: string): void => want(KEY.test(key) && key.length <= LIMITS.keyBytes, "a key");

function check(compares: readonly Compare[], writes: readonly CoordinationWrite[]): void {
  const operations = compares.length + writes.length;
  want(operations > 0 && operations <= LIMITS.operations, `1 to ${LIMITS.operations} operations`);
  for (const compare of compares) if ("key" in compare) wantKey(compare.key);
  const keys = writes.map(keyIn);
  for (const key of keys) wantKey(key);
  want(new Set(keys).size === keys.length, "each key once");
  const sizes = writes.map((write) => ("put" in write ? write.value.length : 0));
  want(Math.max(0, ...sizes) <= LIMITS.valueBytes, "a smaller value", "PAYLOAD_TOO_LARGE");
  const bytes = [...keys.map((key) => key.length), ...sizes].reduce((sum, size) => sum + size, 0);
  want(bytes <= LIMITS.transactionBytes, "a smaller transaction", "PAYLOAD_TOO_LARGE");
  const sessions = [...compares, ...writes].flatMap((one) => ("session" in one && one.session ? [one.session] : []));
  want(new Set(sessions).size <= 1, "one session");
}

export class ThirdPartyStore implements CoordinationStore {
  readonly name = "third party";
  readonly capabilities: CoordinationCapabilities = {
    ...{ shared: true, consistency: "linearizable", watch: { lagMs: 0 }, limits: LIMITS },
    session: { ...TTL, endFactor: 1, endLagMs: 0 },
  };
  losesNext = false;
  isCut = false;
  readonly #world: World;
  readonly #closed = new AbortController();
  #isOpen = false;

  constructor(world: World) {
    this.#world = world;
  }

  async open(): Promise<void> {
    if (this.#closed.signal.aborted) throw new JobferryError("CLOSED", "The store is closed.");
    this.#isOpen = true;
  }

  async close(): Promise<void> {
    this.#closed.abort();
  }

  classify(error: unknown): ErrorClass {
    if (!isJobferryError(error)) return { code: "UNEXPECTED", retryable: false };
    return { code: error.code, retryable: error.retryable, message: error.message };
  }

  #reached(): World {
    if (this.#closed.signal.aborted) throw new JobferryError("CLOSED", "The store is closed.");
    if (!this.#isOpen) throw new JobferryError("NOT_OPEN", "Open the store first.");
    if (this.isCut) throw new JobferryError("UNAVAILABLE", "The line is cut.", { retryable: true });
    return this.#world;
  }

  async get(key: string): Promise<CoordinationEntry | undefined> {
    wantKey(key);
    return this.#reached().get(key);
  }

  async list(prefix: string, { limit = Infinity, after = "" }: Readonly<{ limit?: number; after?: string }> = {}) {
    want(PREFIX.test(prefix) && limit >= 1, "a prefix, and a limit from 1");
    const world = this.#reached();
    const found = world.entries(prefix).filter(({ key }) => key > after);
    return { entries: found.slice(0, limit), revision: String(world.revision) };
  }

  async transact(compares: readonly Compare[], writes: readonly CoordinationWrite[]): Promise<TransactResult> {
    check(compares, writes);
    const version = this.#reached().transact(compares, writes);
    if (this.losesNext) {
      this.losesNext = false;
      throw new JobferryError("UNAVAILABLE", "The answer was lost.", { retryable: true });
    }
    return version === undefined ? { ok: false } : { ok: true, revision: version, versions: writes.map(() => version) };
  }

  async openSession(ttlMs: number): Promise<CoordinationSession> {
    want(ttlMs >= TTL.minTtlMs && ttlMs <= TTL.maxTtlMs, "a time to live within the limits");
    const id = this.#reached().openSession(ttlMs);
    return { id, renew: async () => this.#reached().renew(id), close: async () => this.#reached().end(id) };
  }

  async *watch(prefix: string, options: Readonly<{ from?: string; signal: AbortSignal }>): AsyncGenerator<WatchEvent> {
    want(PREFIX.test(prefix), "a prefix");
    const world = this.#reached();
    const over = AbortSignal.any([options.signal, this.#closed.signal]);
    let known = new Map(world.entries(prefix).map((entry) => [entry.key, entry.version]));
    if (options.from !== String(world.revision))
      yield { kind: "reset", entries: world.entries(prefix), revision: String(world.revision) };
    while (!over.aborted) {
      const entries = this.isCut ? undefined : world.entries(prefix);
      const changed = entries?.filter(({ key, version }) => known.get(key) !== version) ?? [];
      const removed = entries ? [...known.keys()].filter((key) => world.get(key) === undefined) : [];
      if (entries === undefined || changed.length + removed.length === 0) {
        await somethingNew(world, over);
        continue;
      }
      known = new Map(entries.map((entry) => [entry.key, entry.version]));
      yield { kind: "change", entries: changed, removed, revision: String(world.revision) };
    }
  }
}

async function somethingNew(world: World, over: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const leave = world.onWake(resolve);
  over.addEventListener("abort", () => resolve(), { once: true });
  if (!over.aborted) await promise;
  leave();
}

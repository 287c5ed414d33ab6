import { deserialize, serialize } from "node:v8";
import type { Clock } from "../../../src/contract/index.ts";

/** More operations in one transaction are refused, as Consul and etcd do. */
export const MAX_OPERATIONS = 64;

export type Entry<T = unknown> = Readonly<{ key: string; value: T; revision: number }>;
export type Compare = Readonly<{ key: string; revision: number | undefined }> | Readonly<{ session: string }>;
export type Operation = Readonly<{ put: string; value: unknown }> | Readonly<{ delete: string }>;

type Session = { ttlMs: number; expiresAt: number };

/** An ordered key-value store with compare-and-set transactions and sessions. It knows nothing of jobs. Values are bytes. */
export class KvServer {
  readonly #values = new Map<string, { bytes: Buffer; revision: number }>();
  readonly #sessions = new Map<string, Session>();
  readonly #watchers = new Set<() => void>();
  readonly #clock: Clock;
  #sorted: string[] | undefined = [];
  #revision = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get revision(): number {
    return this.#revision;
  }

  async get<T>(key: string): Promise<Entry<T> | undefined> {
    await Promise.resolve();
    return this.#entry<T>(key);
  }

  /** In the order of their keys. */
  async range<T>(prefix: string, limit = Infinity): Promise<readonly Entry<T>[]> {
    await Promise.resolve();
    const found: Entry<T>[] = [];
    const keys = this.#keys();
    for (let index = firstFrom(keys, prefix); found.length < limit && index < keys.length; index += 1) {
      const key = keys[index] ?? "";
      if (!key.startsWith(prefix)) break;
      const entry = this.#entry<T>(key);
      if (entry !== undefined) found.push(entry);
    }
    return found;
  }

  /** All operations or none. The revision, or undefined when a compare failed. */
  async transact(compares: readonly Compare[], operations: readonly Operation[]): Promise<number | undefined> {
    if (operations.length > MAX_OPERATIONS)
      throw new Error(`too many operations: ${operations.length} of ${MAX_OPERATIONS}`);
    await Promise.resolve();
    if (!compares.every((compare) => this.#holds(compare))) return undefined;
    this.#revision += 1;
    for (const operation of operations) {
      this.#sorted = undefined;
      if ("delete" in operation) this.#values.delete(operation.delete);
      else this.#values.set(operation.put, { bytes: serialize(operation.value), revision: this.#revision });
    }
    for (const watcher of this.#watchers) watcher();
    return this.#revision;
  }

  watch(watcher: () => void): () => void {
    this.#watchers.add(watcher);
    return () => void this.#watchers.delete(watcher);
  }

  openSession(ttlMs: number): string {
    this.#revision += 1;
    const id = `s${this.#revision}`;
    this.#sessions.set(id, { ttlMs, expiresAt: Infinity });
    return id;
  }

  /** Its holder lives no more: the session ends a time to live later. Nobody is told before. */
  silence(id: string): void {
    const session = this.#sessions.get(id);
    if (session !== undefined) session.expiresAt = this.#clock.monotonic() + session.ttlMs;
  }

  closeSession(id: string): void {
    this.#sessions.delete(id);
    for (const watcher of this.#watchers) watcher();
  }

  isAlive(id: string): boolean {
    const session = this.#sessions.get(id);
    return session !== undefined && session.expiresAt > this.#clock.monotonic();
  }

  #entry<T>(key: string): Entry<T> | undefined {
    const found = this.#values.get(key);
    return found === undefined ? undefined : { key, value: deserialize(found.bytes) as T, revision: found.revision };
  }

  #holds(compare: Compare): boolean {
    if ("session" in compare) return this.isAlive(compare.session);
    return this.#values.get(compare.key)?.revision === compare.revision;
  }

  #keys(): readonly string[] {
    this.#sorted ??= [...this.#values.keys()].toSorted();
    return this.#sorted;
  }
}

function firstFrom(keys: readonly string[], prefix: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((keys[middle] ?? "") < prefix) low = middle + 1;
    else high = middle;
  }
  return low;
}

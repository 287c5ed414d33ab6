import type { Clock, Timer } from "../../../src/contract/index.ts";

export const MAX_TXN_VERBS = 128;

export type ConsulKey = Readonly<{ key: string; value: Uint8Array; modifyIndex: number; session: string | undefined }>;
export type ConsulVerb =
  | Readonly<{ verb: "set"; key: string; value: Uint8Array }>
  | Readonly<{ verb: "lock"; key: string; value: Uint8Array; session: string }>
  | Readonly<{ verb: "delete" | "check-not-exists"; key: string }>
  | Readonly<{ verb: "check-index"; key: string; index: number }>
  | Readonly<{ verb: "check-session"; key: string; session: string }>;

/** Verbs of a transaction, blocking queries instead of a watch, sessions that end at twice their time to live. What matters of Consul. */
export class ConsulServer {
  readonly #clock: Clock;
  #keys: Map<string, ConsulKey> = new Map();
  readonly #sessions = new Map<string, { ttlMs: number; endsAt: number }>();
  readonly #blocked = new Set<() => void>();
  #index = 1;
  #timer: Timer | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The index is the highest under the prefix; of nothing it is the store's own, as Consul has it. */
  read(prefix: string): Readonly<{ index: number; entries: readonly ConsulKey[] }> {
    const entries = [...this.#keys.values()]
      .filter(({ key }) => key.startsWith(prefix))
      .toSorted((a, b) => (a.key < b.key ? -1 : 1));
    return { index: this.#index, entries };
  }

  get(key: string): ConsulKey | undefined {
    return this.#keys.get(key);
  }

  /** Calls back after a write, any write: a query on a missing key wakes without reason too. */
  block(woken: () => void): () => void {
    this.#blocked.add(woken);
    return () => void this.#blocked.delete(woken);
  }

  /** The index, or undefined: one verb failed, nothing is done. Verbs take effect one after the other. */
  txn(verbs: readonly ConsulVerb[]): number | undefined {
    if (verbs.length > MAX_TXN_VERBS) throw new Error("Transaction contains too many operations");
    const before = this.#keys;
    this.#keys = new Map(before);
    this.#index += 1;
    for (const verb of verbs) {
      if (this.#run(verb)) continue;
      this.#keys = before;
      return undefined;
    }
    this.#wake();
    return this.#index;
  }

  createSession(ttlMs: number): string {
    this.#index += 1;
    const id = `c${this.#index}`;
    this.#sessions.set(id, { ttlMs, endsAt: this.#clock.monotonic() + 2 * ttlMs });
    this.#arm();
    return id;
  }

  renewSession(id: string): boolean {
    const session = this.#sessions.get(id);
    if (session === undefined) return false;
    session.endsAt = this.#clock.monotonic() + 2 * session.ttlMs;
    return true;
  }

  destroySession(id: string): void {
    if (!this.#sessions.delete(id)) return;
    this.#index += 1;
    for (const [key, entry] of this.#keys) if (entry.session === id) this.#keys.delete(key);
    this.#wake();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#sessions.clear();
  }

  #run(verb: ConsulVerb): boolean {
    const found = this.#keys.get(verb.key);
    switch (verb.verb) {
      case "set":
        // It keeps the lock of the key, as Consul does.
        this.#put(verb.key, verb.value, found?.session);
        return true;
      case "lock":
        if (!this.#sessions.has(verb.session)) return false;
        if (found?.session !== undefined && found.session !== verb.session) return false;
        this.#put(verb.key, verb.value, verb.session);
        return true;
      case "delete":
        this.#keys.delete(verb.key);
        return true;
      case "check-not-exists":
        return found === undefined;
      case "check-index":
        return found?.modifyIndex === verb.index;
      case "check-session":
        return found?.session === verb.session;
    }
  }

  #put(key: string, value: Uint8Array, session: string | undefined): void {
    this.#keys.set(key, { key, value: value.slice(), modifyIndex: this.#index, session });
  }

  #wake(): void {
    for (const woken of this.#blocked) woken();
  }

  #arm(): void {
    if (this.#timer !== undefined || this.#sessions.size === 0) return;
    this.#timer = this.#clock.timer(250, () => {
      this.#timer = undefined;
      const now = this.#clock.monotonic();
      for (const [id, { endsAt }] of this.#sessions) if (endsAt <= now) this.destroySession(id);
      this.#arm();
    });
  }
}

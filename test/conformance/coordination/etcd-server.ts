import type { Clock, Timer } from "../../../src/contract/index.ts";

export const MAX_TXN_OPS = 128;

export type EtcdKey = Readonly<{ key: string; value: Uint8Array; modRevision: number; lease: number | undefined }>;
export type EtcdCompare = Readonly<{ key: string; modRevision: number }> | Readonly<{ key: string; exists: boolean }>;
export type EtcdOp = Readonly<{ put: string; value: Uint8Array; lease?: number }> | Readonly<{ delete: string }>;
export type EtcdEvent = Readonly<{ revision: number; key: string; entry: EtcdKey | undefined }>;
type Watcher = Readonly<{ prefix: string; events(events: readonly EtcdEvent[]): void }>;

/** One revision a transaction, a history that is compacted, leases that an expiry scan ends. What matters of etcd to a coordination store. */
export class EtcdServer {
  readonly #clock: Clock;
  readonly #keys = new Map<string, EtcdKey>();
  readonly #leases = new Map<number, { ttlMs: number; endsAt: number }>();
  readonly #watchers = new Set<Watcher>();
  #history: EtcdEvent[] = [];
  #compacted = 0;
  #scan: Timer | undefined;
  revision = 1;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  range(prefix: string): readonly EtcdKey[] {
    return [...this.#keys.values()]
      .filter(({ key }) => key.startsWith(prefix))
      .toSorted((a, b) => (a.key < b.key ? -1 : 1));
  }

  get(key: string): EtcdKey | undefined {
    return this.#keys.get(key);
  }

  /** @throws for an unknown lease, a key put twice, too many operations: nothing is done then. */
  txn(compares: readonly EtcdCompare[], ops: readonly EtcdOp[]): Readonly<{ succeeded: boolean; revision: number }> {
    if (ops.length > MAX_TXN_OPS) throw new Error("etcdserver: too many operations in txn request");
    const holds = (compare: EtcdCompare): boolean =>
      "exists" in compare
        ? this.#keys.has(compare.key) === compare.exists
        : this.#keys.get(compare.key)?.modRevision === compare.modRevision;
    if (!compares.every(holds)) return { succeeded: false, revision: this.revision };
    for (const op of ops) {
      if ("put" in op && op.lease !== undefined && !this.#leases.has(op.lease))
        throw new Error("etcdserver: requested lease not found");
    }
    this.#apply(ops);
    return { succeeded: true, revision: this.revision };
  }

  grant(ttlMs: number): number {
    this.revision += 1;
    this.#leases.set(this.revision, { ttlMs, endsAt: this.#clock.monotonic() + ttlMs });
    this.#arm();
    return this.revision;
  }

  /** false: it is gone. */
  keepAlive(lease: number): boolean {
    const found = this.#leases.get(lease);
    if (found === undefined) return false;
    found.endsAt = this.#clock.monotonic() + found.ttlMs;
    return true;
  }

  revoke(lease: number): void {
    if (!this.#leases.delete(lease)) return;
    const owned = [...this.#keys.values()].filter((entry) => entry.lease === lease);
    if (owned.length > 0) this.#apply(owned.map(({ key }) => ({ delete: key })));
  }

  /** Every event from that revision on, the past ones first. undefined: they are compacted. */
  watch(prefix: string, from: number, events: Watcher["events"]): (() => void) | undefined {
    if (from <= this.#compacted) return undefined;
    const past = this.#history.filter((event) => event.revision >= from && event.key.startsWith(prefix));
    if (past.length > 0) events(past);
    const watcher = { prefix, events };
    this.#watchers.add(watcher);
    return () => void this.#watchers.delete(watcher);
  }

  compact(): void {
    this.#compacted = this.revision;
    this.#history = [];
  }

  stop(): void {
    this.#scan?.cancel();
    this.#leases.clear();
  }

  #apply(ops: readonly EtcdOp[]): void {
    this.revision += 1;
    const events = ops.flatMap((op): readonly EtcdEvent[] => {
      const key = "put" in op ? op.put : op.delete;
      if ("delete" in op && !this.#keys.delete(key)) return [];
      const entry =
        "put" in op ? { key, value: op.value.slice(), modRevision: this.revision, lease: op.lease } : undefined;
      if (entry !== undefined) this.#keys.set(key, entry);
      return [{ revision: this.revision, key, entry }];
    });
    this.#history.push(...events);
    for (const { prefix, events: tell } of this.#watchers) {
      const theirs = events.filter(({ key }) => key.startsWith(prefix));
      if (theirs.length > 0) tell(theirs);
    }
  }

  /** Leases end up to 500 ms late, as etcd's scan does it. */
  #arm(): void {
    if (this.#scan !== undefined || this.#leases.size === 0) return;
    this.#scan = this.#clock.timer(500, () => {
      this.#scan = undefined;
      const now = this.#clock.monotonic();
      for (const [lease, { endsAt }] of this.#leases) if (endsAt <= now) this.revoke(lease);
      this.#arm();
    });
  }
}

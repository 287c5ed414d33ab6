import type {
  Clock,
  Compare,
  CoordinationEntry,
  CoordinationWrite,
  Timer,
  TransactResult,
} from "../../contract/index.ts";
import { areaOf } from "../shared/coordination-arguments.ts";

type Kept = Readonly<{ entry: CoordinationEntry; session: string | undefined }>;
type Session = { readonly ttlMs: number; endsAt: number };

const isBefore = (a: string, b: string): boolean => a < b;

/**
 * Keys and sessions of one process, for any number of clients in it. Every operation is one synchronous step, so it is atomic. One timer ends
 * sessions; it is armed while there are some, and a client that could see their end.
 */
export class CoordinationSpace {
  readonly #clock: Clock;
  readonly #kept = new Map<string, Kept>();
  /** Of `#kept`, in order; undefined after a key came or went. */
  #sorted: readonly string[] | undefined;
  readonly #sessions = new Map<string, Session>();
  /** By area: the revision of the last removal. Who watches from an earlier one has to be told everything. */
  readonly #removals = new Map<string, number>();
  readonly #watchers = new Set<(key: string) => void>();
  #revision = 0;
  #clients = 0;
  #timer: Timer | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get clock(): Clock {
    return this.#clock;
  }

  join(): void {
    this.#clients += 1;
    this.#arm();
  }

  leave(): void {
    this.#clients -= 1;
    this.#arm();
  }

  get revision(): number {
    return this.#revision;
  }

  get(key: string): CoordinationEntry | undefined {
    return copyOf(this.#kept.get(key)?.entry);
  }

  list(prefix: string, limit: number = Infinity, after = ""): readonly CoordinationEntry[] {
    const keys = this.#keys();
    const found: CoordinationEntry[] = [];
    for (let index = placeOf(keys, prefix); index < keys.length && found.length < limit; index += 1) {
      const key = keys[index] ?? "";
      if (!key.startsWith(prefix)) break;
      const entry = isBefore(after, key) ? copyOf(this.#kept.get(key)?.entry) : undefined;
      if (entry !== undefined) found.push(entry);
    }
    return found;
  }

  lastRemoval(prefix: string): number {
    return this.#removals.get(areaOf(prefix)) ?? 0;
  }

  transact(compares: readonly Compare[], writes: readonly CoordinationWrite[]): TransactResult {
    this.#endExpired();
    const owners = writes.map((write) => ("put" in write ? write.session : undefined));
    if (!compares.every((compare) => this.#holds(compare))) return { ok: false };
    if (owners.some((session) => session !== undefined && !this.#sessions.has(session))) return { ok: false };
    this.#revision += 1;
    const version = String(this.#revision);
    for (const write of writes) {
      if ("delete" in write) this.#remove(write.delete);
      else this.#put({ key: write.put, value: write.value.slice(), version }, write.session);
    }
    this.#tell(writes.map((write) => ("put" in write ? write.put : write.delete)));
    return { ok: true, revision: version, versions: writes.map(() => version) };
  }

  openSession(ttlMs: number): string {
    this.#revision += 1;
    const id = `session-${this.#revision}`;
    this.#sessions.set(id, { ttlMs, endsAt: this.#clock.monotonic() + ttlMs });
    this.#arm();
    return id;
  }

  renew(id: string): boolean {
    this.#endExpired();
    const session = this.#sessions.get(id);
    if (session === undefined) return false;
    session.endsAt = this.#clock.monotonic() + session.ttlMs;
    this.#arm();
    return true;
  }

  /** Its keys go in one revision. */
  endSession(id: string): void {
    if (!this.#sessions.delete(id)) return;
    this.#revision += 1;
    const owned = [...this.#kept].filter(([, { session }]) => session === id).map(([key]) => key);
    for (const key of owned) this.#remove(key);
    this.#tell(owned);
    this.#arm();
  }

  /** `changed` is called after each transaction with every key that it wrote. */
  watch(changed: (key: string) => void): () => void {
    this.#watchers.add(changed);
    return () => void this.#watchers.delete(changed);
  }

  #holds(compare: Compare): boolean {
    if ("session" in compare) return this.#sessions.has(compare.session);
    const version = this.#kept.get(compare.key)?.entry.version;
    return "absent" in compare ? version === undefined : version === compare.version;
  }

  #put(entry: CoordinationEntry, session: string | undefined): void {
    if (!this.#kept.has(entry.key)) this.#sorted = undefined;
    this.#kept.set(entry.key, { entry, session });
  }

  #remove(key: string): void {
    if (!this.#kept.delete(key)) return;
    this.#sorted = undefined;
    this.#removals.set(areaOf(key), this.#revision);
  }

  #tell(keys: readonly string[]): void {
    for (const watcher of this.#watchers) for (const key of keys) watcher(key);
  }

  #keys(): readonly string[] {
    this.#sorted ??= [...this.#kept.keys()].toSorted();
    return this.#sorted;
  }

  #endExpired(): void {
    const now = this.#clock.monotonic();
    for (const [id, { endsAt }] of this.#sessions) if (endsAt <= now) this.endSession(id);
  }

  #arm(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#sessions.size === 0 || this.#clients === 0) return;
    const next = Math.min(...[...this.#sessions.values()].map(({ endsAt }) => endsAt));
    const delay = Math.max(0, next - this.#clock.monotonic());
    this.#timer = this.#clock.timer(
      delay,
      () => {
        this.#endExpired();
        this.#arm();
      },
      { keepAlive: false },
    );
  }
}

/** A program that changes a value must not change what is kept. */
function copyOf(entry: CoordinationEntry | undefined): CoordinationEntry | undefined {
  return entry === undefined ? undefined : { ...entry, value: entry.value.slice() };
}

/** The first key that is not before `wanted`. */
function placeOf(keys: readonly string[], wanted: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isBefore(keys[middle] ?? "", wanted)) low = middle + 1;
    else high = middle;
  }
  return low;
}

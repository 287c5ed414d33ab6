// What a third party's coordination store keeps, for all clients in this process.
import { type Clock, type Compare, type CoordinationEntry, type CoordinationWrite, type Timer } from "jobferry/driver";

type Kept = Readonly<{ value: Uint8Array; version: number; session: string | undefined }>;
type Session = Readonly<{ ttlMs: number; endsAt: number }>;

export class World {
  readonly #clock: Clock;
  readonly #keys = new Map<string, Kept>();
  readonly #sessions = new Map<string, Session>();
  readonly #watchers = new Set<() => void>();
  #timer: Timer | undefined;
  #sessionsMade = 0;
  revision = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  entries(prefix: string): readonly CoordinationEntry[] {
    const keys = [...this.#keys.keys()].filter((key) => key.startsWith(prefix)).toSorted();
    return keys.flatMap((key) => this.get(key) ?? []);
  }

  get(key: string): CoordinationEntry | undefined {
    const kept = this.#keys.get(key);
    return kept && { key, value: kept.value.slice(), version: String(kept.version) };
  }

  /** The version, or undefined: nothing is done. */
  transact(compares: readonly Compare[], writes: readonly CoordinationWrite[]): string | undefined {
    const sessions = writes.flatMap((write) => ("session" in write && write.session ? [write.session] : []));
    if (!compares.every((compare) => this.#holds(compare))) return undefined;
    if (!sessions.every((id) => this.#sessions.has(id))) return undefined;
    const version = (this.revision += 1);
    for (const write of writes) {
      if ("delete" in write) this.#keys.delete(write.delete);
      else this.#keys.set(write.put, { value: write.value.slice(), version, session: write.session });
    }
    this.wake();
    return String(version);
  }

  openSession(ttlMs: number): string {
    const id = `session-${(this.#sessionsMade += 1)}`;
    this.#sessions.set(id, { ttlMs, endsAt: this.#clock.monotonic() + ttlMs });
    this.#arm();
    return id;
  }

  renew(id: string): "ok" | "lost" {
    const found = this.#sessions.get(id);
    if (found === undefined) return "lost";
    this.#sessions.set(id, { ...found, endsAt: this.#clock.monotonic() + found.ttlMs });
    return "ok";
  }

  end(id: string): void {
    if (!this.#sessions.delete(id)) return;
    this.revision += 1;
    for (const [key, { session }] of this.#keys) if (session === id) this.#keys.delete(key);
    this.wake();
  }

  onWake(woken: () => void): () => void {
    this.#watchers.add(woken);
    return () => void this.#watchers.delete(woken);
  }

  wake(): void {
    for (const woken of this.#watchers) woken();
  }

  stop(): void {
    this.#sessions.clear();
    this.#timer?.cancel();
  }

  #holds(compare: Compare): boolean {
    if ("session" in compare) return this.#sessions.has(compare.session);
    const version = this.get(compare.key)?.version;
    return "absent" in compare ? version === undefined : version === compare.version;
  }

  #arm(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#sessions.size === 0) return;
    const next = Math.min(...[...this.#sessions.values()].map(({ endsAt }) => endsAt));
    this.#timer = this.#clock.timer(Math.max(1, next - this.#clock.monotonic()), () => {
      const now = this.#clock.monotonic();
      for (const [id, { endsAt }] of this.#sessions) if (endsAt <= now) this.end(id);
      this.#arm();
    });
  }
}

import type { Clock, CoordinationSession, CoordinationStore } from "../../contract/index.ts";
import { JobferryError } from "../../errors/index.ts";
import { idOfSequence, KeptSession, nextSequence } from "../../runtime/index.ts";
import { HeldJobs } from "./held-jobs.ts";
import type { Keys } from "./keys.ts";
import { Ledger, sessionLost } from "./ledger.ts";

export type LifeTiming = Readonly<{
  ttlMs: number;
  /** A lease counts from a renewal of the session that is at most so old. */
  freshMs: number;
}>;

/**
 * One session of this process in the store, with a name that nobody has again: what it holds, counts and puts lies under that name. When the session is
 * lost the life is over, and the next call begins another one.
 */
export class Life {
  readonly owner: string;
  readonly held: HeldJobs;
  readonly ledger: Ledger;
  /** Claims that were not answered. */
  readonly strays: Strays = new Strays();
  readonly #session: KeptSession;
  readonly #clock: Clock;
  readonly #freshMs: number;
  readonly #renewals: Renewals;
  readonly #keys: Keys;
  #claims = 0;

  private constructor(
    owner: string,
    session: KeptSession,
    parts: Readonly<{ held: HeldJobs; ledger: Ledger; keys: Keys; clock: Clock; freshMs: number; renewals: Renewals }>,
  ) {
    this.#keys = parts.keys;
    this.owner = owner;
    this.#session = session;
    this.held = parts.held;
    this.ledger = parts.ledger;
    this.#clock = parts.clock;
    this.#freshMs = parts.freshMs;
    this.#renewals = parts.renewals;
    session.lost.addEventListener("abort", () => this.#over(), { once: true });
  }

  static async begin(
    store: CoordinationStore,
    keys: Keys,
    clock: Clock,
    { ttlMs, freshMs }: LifeTiming,
    ranOut: () => void,
  ): Promise<Life> {
    const owner = idOfSequence(nextSequence());
    const renewals = new Renewals(store, clock);
    const session = await KeptSession.open(renewals, clock, { ttlMs, renewEveryMs: ttlMs / 4 }, () => undefined);
    try {
      const value = new Uint8Array();
      // Known before it is alive, so that it is found when it dies.
      const { ok } = await store.transact(
        [{ key: keys.alive(owner), absent: true }],
        [
          { put: keys.owner(owner), value },
          { put: keys.alive(owner), value, session: session.id },
        ],
      );
      if (!ok) throw sessionLost();
    } catch (error) {
      await session.close(sessionLost()).catch(() => undefined);
      throw error;
    }
    const held = new HeldJobs(clock, ranOut);
    const ledger = new Ledger(store, keys, owner, session.id);
    return new Life(owner, session, { held, ledger, keys, clock, freshMs, renewals });
  }

  /** Where a job lies that is held: no claim has a key of another, so that a version tells which claim it was. */
  keyFor(id: string): string {
    this.#claims += 1;
    return this.#keys.held(this.owner, id, this.#claims);
  }

  get isOver(): boolean {
    return !this.#session.isLive;
  }

  /** Something was refused that only the end of the session explains, or another process. */
  async doubt(): Promise<void> {
    await this.#session.doubt();
  }

  /** Before leases are given or extended: others take this process's jobs a lease after its last renewal at the earliest. */
  async refresh(): Promise<void> {
    if (this.#clock.monotonic() - this.#renewals.lastAt > this.#freshMs) await this.#session.doubt();
    if (this.isOver || this.#clock.monotonic() - this.#renewals.lastAt > this.#freshMs) throw sessionLost();
  }

  #over(): void {
    this.#renewals.holdsJobs = !this.held.isEmpty;
    this.held.clear();
  }

  async end(): Promise<void> {
    this.held.stop();
    this.#renewals.isLeft = true;
    await this.#session.close(new JobferryError("CLOSED", "The queue is closed."));
  }
}

type Stray = Readonly<{ keys: readonly string[]; settle: () => Promise<boolean> }>;

/** What may be held without this process knowing, until the store tells. */
class Strays {
  #open: readonly Stray[] = [];

  add(keys: readonly string[], settle: () => Promise<boolean>): void {
    this.#open = [...this.#open, { keys, settle }];
  }

  get isEmpty(): boolean {
    return this.#open.length === 0;
  }

  /** The keys of claims that were done after all; `forget`: they are somebody's again. Rejects while the store does not answer. */
  async settled(): Promise<Readonly<{ keys: readonly string[]; forget: () => void }>> {
    const open = this.#open;
    const keys: string[] = [];
    for (const stray of open) if (await stray.settle()) keys.push(...stray.keys);
    // Others may have come meanwhile.
    return { keys, forget: () => void (this.#open = this.#open.filter((stray) => !open.includes(stray))) };
  }
}

/**
 * A session that remembers when its last successful renewal was sent. Whoever takes its jobs back counts on it that it ended by its time: so it is not
 * ended early while there are leases under it.
 */
class Renewals {
  readonly #store: CoordinationStore;
  readonly #clock: Clock;
  lastAt = -Infinity;
  holdsJobs = false;
  /** The store is closed next, which leaves sessions to their time. */
  isLeft = false;

  constructor(store: CoordinationStore, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  readonly openSession = async (ttlMs: number): Promise<CoordinationSession> => {
    const openedAt = this.#clock.monotonic();
    const session = await this.#store.openSession(ttlMs);
    this.lastAt = openedAt;
    const renew = async (): Promise<"ok" | "lost"> => {
      const sentAt = this.#clock.monotonic();
      const answer = await session.renew();
      if (answer === "ok") this.lastAt = Math.max(this.lastAt, sentAt);
      return answer;
    };
    const close = async (): Promise<void> => {
      if (!this.holdsJobs) return session.close();
      if (this.isLeft) return;
      const left = Math.max(0, this.lastAt + ttlMs - this.#clock.monotonic());
      this.#clock.timer(left, () => void session.close().catch(() => undefined), { keepAlive: false });
    };
    return { id: session.id, renew, close };
  };
}

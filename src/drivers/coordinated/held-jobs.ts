import type { Clock, Reservation, Timer, Token, Version } from "../../contract/index.ts";
import { type Kept, stored } from "./job-value.ts";

/** `version`: of its key now. `endsAt`: of its lease, monotonic. `isEnding`: a transaction that ends it is under way or unanswered. */
export type Held = {
  readonly token: string;
  readonly key: string;
  version: Version;
  job: Kept;
  endsAt: number;
  isEnding: boolean;
  unsettled: Unsettled | undefined;
  /** Its lease is being made longer: over when this resolves, which it always does. */
  lengthening: Promise<void> | undefined;
};

/** A transaction without an answer that ends it. `finishes`: by its token, and not because the lease ran out. */
export type Unsettled = Readonly<{ settle: () => Promise<boolean>; finishes: boolean }>;

/**
 * What this process holds. While its session lives nobody else touches these jobs, so a token counts exactly as long as it is here, and the lease of
 * each job is kept here, too: by the monotonic clock and one timer.
 */
export class HeldJobs {
  readonly #clock: Clock;
  readonly #ranOut: () => void;
  readonly #held = new Map<Token, Held>();
  #timer: Timer | undefined;
  #timerAt = Infinity;

  /** `ranOut` is called when the lease of a job may be over. */
  constructor(clock: Clock, ranOut: () => void) {
    this.#clock = clock;
    this.#ranOut = ranOut;
  }

  /** `rank` tells apart what one transaction took. */
  add(owner: string, key: string, version: Version, rank: number, job: Kept, endsAt: number): Reservation {
    const token = `${owner}.${version}.${rank}`;
    const idle = { isEnding: false, unsettled: undefined, lengthening: undefined };
    this.#held.set(token, { token, key, version, job, endsAt, ...idle });
    this.#arm(endsAt);
    return { job: stored(job, "reserved"), token };
  }

  get(token: Token): Held | undefined {
    return this.#held.get(token);
  }

  get isEmpty(): boolean {
    return this.#held.size === 0;
  }

  remove(held: Held): void {
    this.#held.delete(held.token);
  }

  extend(held: Held, endsAt: number): void {
    held.endsAt = endsAt;
    this.#arm(endsAt);
  }

  get keys(): ReadonlySet<string> {
    return new Set([...this.#held.values()].map(({ key }) => key));
  }

  /** Those whose leases are over and that nobody ends right now. */
  overdue(max: number): readonly Held[] {
    const now = this.#clock.monotonic();
    const found: Held[] = [];
    for (const held of this.#held.values()) {
      if (found.length >= max) break;
      if (held.endsAt <= now && (!held.isEnding || held.unsettled !== undefined)) found.push(held);
    }
    return found;
  }

  /**
   * Whether it can be ended now. `busy`: another call ends it, or has. `unsettled`: one was not answered, and the store does not tell yet. `done`: it was a
   * finish, and it was done after all. `lost`: the same of a lease that ran out.
   */
  async settled(held: Held): Promise<"free" | "busy" | "unsettled" | "done" | "lost"> {
    if (held.lengthening !== undefined) await held.lengthening;
    const { unsettled } = held;
    if (unsettled === undefined) return held.isEnding || !this.#held.has(held.token) ? "busy" : "free";
    const wasDone = await unsettled.settle().catch(() => undefined);
    if (wasDone === undefined) return "unsettled";
    if (held.unsettled !== unsettled) return "busy";
    Object.assign(held, { unsettled: undefined, isEnding: false });
    if (!wasDone) return "free";
    this.remove(held);
    return unsettled.finishes ? "done" : "lost";
  }

  /** Of what nobody ends right now. */
  get nextEndInMs(): number {
    return this.#nextEnd(({ isEnding }) => !isEnding);
  }

  /** The same, or of what a transaction without an answer was to end. */
  get nextLookInMs(): number {
    return this.#nextEnd(({ isEnding, unsettled }) => !isEnding || unsettled !== undefined);
  }

  get hasUnsettled(): boolean {
    return [...this.#held.values()].some(({ unsettled }) => unsettled !== undefined);
  }

  #nextEnd(counts: (held: Held) => boolean): number {
    let next = Infinity;
    for (const held of this.#held.values()) if (held.endsAt < next && counts(held)) next = held.endsAt;
    return next - this.#clock.monotonic();
  }

  /** The session has ended: whatever was held is another process's business. */
  clear(): void {
    this.#held.clear();
    this.stop();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#timerAt = Infinity;
  }

  #arm(at: number): void {
    if (at >= this.#timerAt) return;
    this.#timer?.cancel();
    this.#timerAt = at;
    const left = Math.max(1, at - this.#clock.monotonic());
    this.#timer = this.#clock.timer(left, () => this.#look(), { keepAlive: false });
  }

  #look(): void {
    this.#timer = undefined;
    this.#timerAt = Infinity;
    const next = this.nextLookInMs;
    if (next <= 0) this.#ranOut();
    else if (next !== Infinity) this.#arm(next + this.#clock.monotonic());
  }

  /** After those that are over were looked at. */
  rearm(leastMs: number): void {
    const next = this.nextLookInMs;
    if (next !== Infinity) this.#arm(Math.max(leastMs, next) + this.#clock.monotonic());
  }
}

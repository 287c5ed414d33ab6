import type { Clock, CoordinationSession, CoordinationStore, Timer } from "../contract/index.ts";
import { JobferryError } from "../errors/index.ts";

export type SessionTiming = Readonly<{ ttlMs: number; renewEveryMs: number }>;

const LEAST_PAUSE_MS = 10;

/**
 * How much earlier than the store the holder gives up: for clocks that run apart and for what it still has on its way. A tenth of the time
 * to live, at least half a second, but never more than a quarter.
 */
export function sessionMarginMs(ttlMs: number): number {
  return Math.min(Math.max(ttlMs / 10, 500), ttlMs / 4);
}

/**
 * A session that is renewed until it is lost or closed. It lives by the holder's monotonic clock: until its time to live, less the margin,
 * has passed since before the last successful renewal was sent. That is always before the store may give its keys to others, unless the
 * whole process stands still; so whoever acts right now asks `isLive`, which looks at the clock, and guarded resources compare the token.
 *
 * A lost session never comes back: a renewal that succeeds too late does not count, and its owner opens another one.
 */
export class KeptSession {
  readonly #session: CoordinationSession;
  readonly #clock: Clock;
  readonly #timing: SessionTiming;
  readonly #trouble: (error: unknown) => void;
  readonly #lost = new AbortController();
  #validUntil: number;
  #fence: Timer | undefined;
  #next: Timer | undefined;
  #patience: Timer | undefined;

  private constructor(
    session: CoordinationSession,
    clock: Clock,
    timing: SessionTiming,
    sentAt: number,
    trouble: (error: unknown) => void,
  ) {
    this.#session = session;
    this.#clock = clock;
    this.#timing = timing;
    this.#trouble = trouble;
    this.#validUntil = this.#endOf(sentAt);
    this.#guard();
    this.#schedule(timing.renewEveryMs);
  }

  /** `trouble` is told each renewal that failed. */
  static async open(
    store: Pick<CoordinationStore, "openSession">,
    clock: Clock,
    timing: SessionTiming,
    trouble: (error: unknown) => void,
  ): Promise<KeptSession> {
    const sentAt = clock.monotonic();
    return new KeptSession(await store.openSession(timing.ttlMs), clock, timing, sentAt, trouble);
  }

  get id(): string {
    return this.#session.id;
  }

  /** Its reason is a JobferryError: SESSION_LOST, or what `close` was given. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** Looks at the clock: after a pause of the process this is true before any timer could fire. */
  get isLive(): boolean {
    if (!this.#lost.signal.aborted && this.#clock.monotonic() >= this.#validUntil)
      this.#lose("was not renewed in time");
    return !this.#lost.signal.aborted;
  }

  /** Ends it: first here, so that nobody acts on it any more, then in the store, which gives its keys away at once. */
  async close(reason: JobferryError): Promise<void> {
    this.#end(reason);
    await this.#session.close();
  }

  /** Something hints that it has ended in the store: asks now. Never rejects. */
  async doubt(): Promise<void> {
    if (!this.isLive) return;
    const sentAt = this.#clock.monotonic();
    try {
      if ((await this.#session.renew()) === "lost") this.#lose("has ended in the store");
      else if (this.isLive) this.#validUntil = Math.max(this.#validUntil, this.#endOf(sentAt));
    } catch (error) {
      if (!this.#lost.signal.aborted) this.#trouble(error);
    }
  }

  #endOf(sentAt: number): number {
    return sentAt + this.#timing.ttlMs - sessionMarginMs(this.#timing.ttlMs);
  }

  #schedule(delayMs: number): void {
    if (this.#lost.signal.aborted) return;
    this.#next?.cancel();
    // It keeps the process alive, as an open server does, until the session is closed.
    this.#next = this.#clock.timer(delayMs, this.#renew);
  }

  readonly #renew = (): void => {
    if (!this.isLive) return;
    const sentAt = this.#clock.monotonic();
    const { renewEveryMs } = this.#timing;
    // A call that hangs must not keep the next one from being tried.
    this.#patience?.cancel();
    this.#patience = this.#clock.timer(renewEveryMs, this.#renew, { keepAlive: false });
    this.#session.renew().then(
      (answer) => {
        if (answer === "lost") return this.#lose("has ended in the store");
        if (!this.isLive) return;
        this.#validUntil = Math.max(this.#validUntil, this.#endOf(sentAt));
        this.#patience?.cancel();
        this.#schedule(Math.max(LEAST_PAUSE_MS, sentAt + renewEveryMs - this.#clock.monotonic()));
      },
      (error: unknown) => {
        if (this.#lost.signal.aborted) return;
        this.#patience?.cancel();
        this.#trouble(error);
        this.#schedule(Math.max(LEAST_PAUSE_MS, renewEveryMs / 4));
      },
    );
  };

  /** One timer; it is not armed anew with each renewal but looks when it fires. */
  #guard(): void {
    const left = this.#validUntil - this.#clock.monotonic();
    this.#fence = this.#clock.timer(
      Math.max(0, left),
      () => {
        if (this.isLive) this.#guard();
      },
      { keepAlive: false },
    );
  }

  #lose(why: string): void {
    if (this.#lost.signal.aborted) return;
    this.#end(new JobferryError("SESSION_LOST", `The session ${why}. What it guarded may be another node's now.`));
    // Frees what the store's client holds for it. It is not renewed any more, so it ends in any case.
    this.#session.close().catch(() => undefined);
  }

  #end(reason: JobferryError): void {
    this.#fence?.cancel();
    this.#next?.cancel();
    this.#patience?.cancel();
    this.#lost.abort(reason);
  }
}

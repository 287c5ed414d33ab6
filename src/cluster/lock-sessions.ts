import type { Timer } from "../contract/index.ts";
import type { JobferryError } from "../errors/index.ts";
import { KeptSession } from "../runtime/index.ts";
import type { StoreLink } from "./store-link.ts";

type Shared = { readonly opening: Promise<KeptSession>; users: number; rest: Timer | undefined };

/**
 * Sessions of locks whose time-out is not the node's own: one for each time-out, opened when the first lock needs it. It ends when no lock has
 * used it for as long as its time-out, so that locks taken one after the other share it.
 */
export class LockSessions {
  readonly #link: StoreLink;
  readonly #heartbeatMs: number;
  readonly #shared = new Map<number, Shared>();

  constructor(link: StoreLink, heartbeatMs: number) {
    this.#link = link;
    this.#heartbeatMs = heartbeatMs;
  }

  /** Each use needs a `done`. */
  async use(ttlMs: number): Promise<KeptSession> {
    const shared = this.#shared.get(ttlMs) ?? this.#open(ttlMs);
    shared.users += 1;
    shared.rest?.cancel();
    try {
      const session = await shared.opening;
      if (session.isLive) return session;
      this.#forget(ttlMs, shared);
    } catch (error) {
      this.#forget(ttlMs, shared);
      throw error;
    }
    return this.use(ttlMs);
  }

  /** Of a session that was lost nothing is left to end. */
  done(ttlMs: number, session: KeptSession, reason: JobferryError): void {
    const shared = this.#shared.get(ttlMs);
    if (shared === undefined || !session.isLive) return;
    shared.users -= 1;
    if (shared.users > 0) return;
    const end = (): void => {
      this.#forget(ttlMs, shared);
      session.close(reason).catch((error: unknown) => this.#link.report(error, "Ending a lock's session"));
    };
    shared.rest = this.#link.clock.timer(ttlMs, end, { keepAlive: false });
  }

  async stop(reason: JobferryError): Promise<void> {
    const all = [...this.#shared.values()];
    this.#shared.clear();
    for (const { rest } of all) rest?.cancel();
    const opened = await Promise.allSettled(all.map(({ opening }) => opening));
    const sessions = opened.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
    await Promise.all(sessions.map((session) => session.close(reason)));
  }

  #open(ttlMs: number): Shared {
    const renewEveryMs = Math.min(this.#heartbeatMs, ttlMs / 4);
    const trouble = (error: unknown): void => this.#link.report(error, "Renewing a lock's session");
    const opening = this.#link.ask("Opening a session", () =>
      KeptSession.open(this.#link.store, this.#link.clock, { ttlMs, renewEveryMs }, trouble),
    );
    const shared: Shared = { opening, users: 0, rest: undefined };
    this.#shared.set(ttlMs, shared);
    return shared;
  }

  #forget(ttlMs: number, shared: Shared): void {
    if (this.#shared.get(ttlMs) === shared) this.#shared.delete(ttlMs);
  }
}

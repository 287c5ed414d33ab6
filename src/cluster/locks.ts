import { JobferryError } from "../errors/index.ts";
import {
  checkName,
  checkOptions,
  checkSignal,
  parseDuration,
  sleep,
  type Duration,
  type KeptSession,
} from "../runtime/index.ts";
import { checkTimeout, type ClusterSettings } from "./cluster-options.ts";
import { Lock } from "./lock.ts";
import { LockSessions } from "./lock-sessions.ts";
import type { NodeSession } from "./node-session.ts";
import type { StoreLink } from "./store-link.ts";
import { Place } from "./waiting-line.ts";

export type LockOptions = Readonly<{
  /** How long this process may be silent before others get the lock. Default: the cluster's `lockTimeout`. */
  ttl?: Duration;
  /** How long to wait for it; 0 tries once. Default: until it is free or the signal fires. */
  wait?: Duration;
  signal?: AbortSignal;
}>;

/** Locks of one node: those it holds and those it waits for. Locks of one time-out share a session. */
export class Locks {
  readonly #link: StoreLink;
  readonly #settings: ClusterSettings;
  readonly #node: NodeSession;
  readonly #stop = new AbortController();
  readonly #held = new Set<Lock>();
  readonly #sessions: LockSessions;
  readonly #waiting = new Set<Promise<unknown>>();

  constructor(link: StoreLink, settings: ClusterSettings, node: NodeSession) {
    this.#link = link;
    this.#settings = settings;
    this.#node = node;
    this.#sessions = new LockSessions(link, settings.heartbeatMs);
  }

  async lock(name: string, options: LockOptions = {}): Promise<Lock> {
    checkOptions("lock", options, ["ttl", "wait", "signal"]);
    const line = this.#settings.keys.lock(checkName("lock", name));
    const ttlMs =
      options.ttl === undefined ? this.#settings.lockMs : checkTimeout(this.#link.store, "ttl", options.ttl);
    const waitMs = options.wait === undefined ? undefined : parseDuration(options.wait, "wait");
    checkSignal("signal", options.signal);
    options.signal?.throwIfAborted();
    this.#stop.signal.throwIfAborted();
    const waiting = this.#acquire(name, line, ttlMs, waitMs, options.signal);
    this.#waiting.add(waiting);
    try {
      return await waiting;
    } finally {
      this.#waiting.delete(waiting);
    }
  }

  /** First everybody here hears that it is over, then the sessions end and others get the locks. */
  async stop(reason: JobferryError): Promise<void> {
    this.#stop.abort(reason);
    for (const lock of this.#held) lock.end(reason);
    await Promise.allSettled(this.#waiting);
    await this.#sessions.stop(reason);
  }

  async #acquire(
    name: string,
    line: string,
    ttlMs: number,
    waitMs: number | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Lock> {
    const deadline = new AbortController();
    const done = new AbortController();
    const ends = [this.#stop.signal, deadline.signal, ...(signal === undefined ? [] : [signal])];
    const over = AbortSignal.any(ends);
    if (waitMs !== undefined && waitMs > 0) {
      void sleep(this.#link.clock, waitMs, done.signal).then(() => deadline.abort(busy(name, waitMs)));
    }
    try {
      for (;;) {
        const session = await this.#session(ttlMs, over);
        const lock = await this.#stand(name, line, ttlMs, session, waitMs, over);
        if (lock !== undefined) return lock;
      }
    } finally {
      done.abort();
    }
  }

  /** undefined when the session was lost meanwhile: then there is a new place to take, at the end. */
  async #stand(
    name: string,
    line: string,
    ttlMs: number,
    session: KeptSession,
    waitMs: number | undefined,
    over: AbortSignal,
  ): Promise<Lock | undefined> {
    let place: Place | undefined;
    try {
      place = await Place.take(this.#link, line, this.#settings.nodeId, session);
      await this.#wait(place, name, waitMs, over);
      return this.#lockAt(name, ttlMs, place);
    } catch (error) {
      if (!session.isLive && !over.aborted) return undefined;
      await place?.leave().catch((thrown: unknown) => this.#link.report(thrown, "Leaving a lock's line"));
      this.#done(ttlMs, session);
      throw error;
    }
  }

  async #wait(place: Place, name: string, waitMs: number | undefined, over: AbortSignal): Promise<void> {
    const stop = AbortSignal.any([over, place.session.lost]);
    for (;;) {
      stop.throwIfAborted();
      const predecessor = await place.predecessor();
      stop.throwIfAborted();
      if (predecessor === undefined) return;
      if (waitMs === 0) throw busy(name, waitMs);
      await place.until(predecessor, stop);
    }
  }

  #lockAt(name: string, ttlMs: number, place: Place): Lock {
    const { key, token, session } = place;
    const lock: Lock = new Lock({
      name,
      key,
      token,
      session,
      giveUp: async () => {
        this.#held.delete(lock);
        try {
          await place.leave();
        } catch (error) {
          if (!lock.lost.aborted) this.#held.add(lock);
          throw error;
        }
        this.#done(ttlMs, session);
      },
    });
    this.#held.add(lock);
    lock.lost.addEventListener("abort", () => this.#held.delete(lock), { once: true });
    return lock;
  }

  /** The node's own where the times are equal. */
  async #session(ttlMs: number, over: AbortSignal): Promise<KeptSession> {
    if (ttlMs === this.#settings.electionMs) return this.#node.live(over);
    over.throwIfAborted();
    return this.#sessions.use(ttlMs);
  }

  /** After a lock, or a place in its line, is given up. */
  #done(ttlMs: number, session: KeptSession): void {
    if (ttlMs === this.#settings.electionMs || this.#stop.signal.aborted) return;
    this.#sessions.done(ttlMs, session, new JobferryError("SHUTDOWN", "No lock uses the session any more."));
  }
}

function busy(name: string, waitMs: number): JobferryError {
  const text = `The lock ${JSON.stringify(name)} was not free within ${waitMs} ms.`;
  return new JobferryError("LOCK_BUSY", text, { retryable: true });
}

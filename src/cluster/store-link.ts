import type { Clock, CoordinationEntry, CoordinationStore, Version } from "../contract/index.ts";
import { failureFrom, isJobferryError, JobferryError } from "../errors/index.ts";
import { sleep, type KeptSession } from "../runtime/index.ts";

const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 1_000;

const isEqual = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, index) => byte === b[index]);

/** A cluster's way to its store: errors become ours, what failed is repeated, and an unknown answer is cleared up by reading back. */
export class StoreLink {
  readonly store: CoordinationStore;
  readonly clock: Clock;
  readonly #report: (error: JobferryError) => void;

  constructor(store: CoordinationStore, clock: Clock, report: (error: JobferryError) => void) {
    this.store = store;
    this.clock = clock;
    this.#report = report;
  }

  /** The one place where a client's raw error becomes ours. */
  errorOf(error: unknown, doing: string): JobferryError {
    if (isJobferryError(error)) return error;
    const { code, retryable, message } = this.store.classify(error);
    const text = message ?? failureFrom(error).message;
    return new JobferryError(code, `${doing} on ${this.store.name} failed: ${text}`, { cause: error, retryable });
  }

  async ask<T>(doing: string, call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      throw this.errorOf(error, doing);
    }
  }

  /** For what goes on in the background and will be tried again. */
  report(error: unknown, doing: string): void {
    this.#report(this.errorOf(error, doing));
  }

  /**
   * Puts a key that is this session's alone, and gives its version. `value` must be unique: after an answer that never came it tells whether
   * the put took effect. `unanswered` is told of each such answer: what was sent may still arrive, as long as the session lives.
   * @throws the session's reason when it is lost, else what is not worth repeating.
   */
  async putOwned(key: string, value: Uint8Array, session: KeptSession, unanswered: () => void): Promise<Version> {
    return this.repeat("Writing a key", session, async () => {
      const put = { put: key, value, session: session.id };
      const result = await this.store.transact([{ key, absent: true }], [put]).catch((error: unknown) => {
        unanswered();
        throw error;
      });
      if (result.ok) return result.versions[0];
      const found = await this.store.get(key);
      if (found !== undefined && isEqual(found.value, value)) return found.version;
      // Somebody else cannot have the key, so the session has ended in the store, or a later attempt counts.
      await session.doubt();
      return undefined;
    });
  }

  /** Takes away a key of this session, until the store confirms it or the session has ended, which does it too. */
  async removeOwned(key: string, session: KeptSession): Promise<void> {
    await this.#endOwned("Removing a key", session, () => this.store.transact([], [{ delete: key }]));
  }

  /** Puts this in the place of a key of this session, also where the key is not there; until confirmed, as `removeOwned`. */
  async replaceOwned(key: string, value: Uint8Array, session: KeptSession): Promise<void> {
    const put = { put: key, value, session: session.id };
    await this.#endOwned("Replacing a key", session, () => this.store.transact([{ session: session.id }], [put]));
  }

  async #endOwned(doing: string, session: KeptSession, attempt: () => Promise<unknown>): Promise<void> {
    await this.repeat(doing, session, attempt).catch((error: unknown) => {
      if (session.isLive) throw error;
    });
  }

  /**
   * Repeats what failed, or found nothing (undefined), for as long as the session lives.
   * @throws the session's reason when it is lost, or at once what is not worth repeating.
   */
  async repeat<T>(doing: string, session: KeptSession, attempt: () => Promise<T | undefined>): Promise<T> {
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
      if (!session.isLive) throw session.lost.reason;
      try {
        const result = await attempt();
        if (result !== undefined) return result;
      } catch (error) {
        const known = this.errorOf(error, doing);
        if (!known.retryable) throw known;
      }
      await sleep(this.clock, pause * (0.5 + this.clock.random()), session.lost);
    }
  }

  /**
   * Follows everything under a prefix until the signal fires: `told` gets the whole state after each event. A watch that breaks is started
   * again.
   */
  async follow(
    prefix: string,
    signal: AbortSignal,
    told: (state: ReadonlyMap<string, CoordinationEntry>) => void,
  ): Promise<void> {
    const state = new Map<string, CoordinationEntry>();
    let pause = FIRST_PAUSE_MS;
    let isBroken = false;
    while (!signal.aborted) {
      try {
        for await (const event of this.store.watch(prefix, { signal })) {
          pause = FIRST_PAUSE_MS;
          isBroken = false;
          if (event.kind === "reset") state.clear();
          else for (const key of event.removed) state.delete(key);
          for (const entry of event.entries) state.set(entry.key, entry);
          if (signal.aborted) return;
          told(state);
        }
        if (signal.aborted) return;
      } catch (error) {
        if (signal.aborted) return;
        // Once: it is tried again every second for as long as the store is away.
        if (!isBroken) this.report(error, "A watch");
        isBroken = true;
      }
      await sleep(this.clock, pause * (0.5 + this.clock.random()), signal, { keepAlive: false });
      pause = Math.min(2 * pause, LONGEST_PAUSE_MS);
    }
  }
}

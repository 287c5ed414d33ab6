import assert from "node:assert/strict";
import type { CoordinationSession, CoordinationStore, Version } from "../../../contract/index.ts";
import { isJobferryError } from "../../../errors/index.ts";
import { sleep } from "../../../runtime/index.ts";
import { BUSY_MS } from "../in-time.ts";
import { bytesOf, keyOf } from "./stage.ts";
import type { CoordinationStage } from "./stage.ts";

const AGAIN_MS = 20;

/** undefined: a rejection to try again after, which tells nothing. A store rejects so where a busy machine is slow to connect; in virtual time nothing is slow. */
function renewal(
  stage: CoordinationStage,
  session: CoordinationSession,
  withinMs = 0,
): Promise<"ok" | "lost" | undefined> {
  const renewing = session.renew();
  return stage.settles(
    stage.isVirtual ? renewing : renewing.catch((error) => forgiven(stage, error)),
    withinMs,
    "renew",
  );
}

function forgiven({ store }: CoordinationStage, error: unknown): undefined {
  if (!(isJobferryError(error) ? error : store.classify(error)).retryable) throw error;
}

/** Of a renewal that is repeated while it tells nothing. */
export async function firstAnswer(
  stage: CoordinationStage,
  session: CoordinationSession,
): Promise<"ok" | "lost" | undefined> {
  const start = stage.clock.monotonic();
  for (;;) {
    const answer = await renewal(stage, session, stage.lagMs);
    if (answer !== undefined || stage.clock.monotonic() - start >= BUSY_MS) return answer;
    await stage.pass(AGAIN_MS);
  }
}

/** A key under a session, and until when both must be there. What a busy machine asks later than that proves nothing. */
export class Life {
  readonly ttlMs: number;
  /** Whether a renewal was answered with `ok`. */
  isRenewed = false;
  readonly #stage: CoordinationStage;
  readonly #session: CoordinationSession;
  #until: number;

  private constructor(stage: CoordinationStage, session: CoordinationSession, ttlMs: number, openedAt: number) {
    this.#stage = stage;
    this.#session = session;
    this.ttlMs = ttlMs;
    this.#until = openedAt + ttlMs;
  }

  static async begin(stage: CoordinationStage): Promise<Life> {
    const { ttlMs } = stage;
    const openedAt = stage.clock.monotonic();
    const session = await stage.openSession(stage.store, ttlMs);
    await stage.tries([], [{ put: keyOf("a"), value: bytesOf("1"), session: session.id }]);
    return new Life(stage, session, ttlMs, openedAt);
  }

  /** Tries again while nothing was told and it must live. */
  async renew(): Promise<void> {
    let sentAt = this.#stage.clock.monotonic();
    let answer = await renewal(this.#stage, this.#session);
    while (answer === undefined && this.#isDue) {
      await this.#stage.pass(AGAIN_MS);
      sentAt = this.#stage.clock.monotonic();
      answer = await renewal(this.#stage, this.#session);
    }
    if (answer !== undefined && this.#isDue) assert.equal(answer, "ok");
    if (answer !== "ok") return;
    this.#until = sentAt + this.ttlMs;
    this.isRenewed = true;
  }

  async isThere(why: string, client?: CoordinationStore): Promise<void> {
    const value = await this.#stage.valueOf("a", client);
    if (this.#isDue) assert.equal(value, "1", why);
  }

  get #isDue(): boolean {
    return this.#stage.clock.monotonic() < this.#until;
  }
}

/**
 * A session as short as the store takes, whose end a case waits for. What comes before takes longer than it lives on a busy machine: in real time it is
 * renewed until then.
 */
export class ShortSession {
  readonly session: CoordinationSession;
  readonly #stage: CoordinationStage;
  readonly #client: CoordinationStore;

  private constructor(stage: CoordinationStage, client: CoordinationStore, session: CoordinationSession) {
    this.#stage = stage;
    this.#client = client;
    this.session = session;
  }

  static async open(stage: CoordinationStage, client: CoordinationStore): Promise<ShortSession> {
    return new ShortSession(stage, client, await stage.openSession(client, stage.ttlMs));
  }

  /** One after the other: a renewal may take the connection away under a put. */
  async put(name: string, value: string): Promise<Version> {
    await this.#renew();
    return this.#stage.put(name, value, { client: this.#client, session: this.session });
  }

  /** Renewed until then, and not any more when it resolves. */
  async keptUntil(seen: Promise<unknown>): Promise<void> {
    const over = new AbortController();
    const renewing = this.#keep(over.signal);
    renewing.catch(() => undefined); // told below; while the other is waited for it must not be unheard
    try {
      await seen;
    } finally {
      over.abort();
      await renewing;
    }
  }

  async #keep(over: AbortSignal): Promise<void> {
    while (!this.#stage.isVirtual && !over.aborted) {
      await this.#renew();
      await sleep(this.#stage.clock, this.#stage.ttlMs / 4, over);
    }
  }

  /** Whatever it answers: a session that has ended shows in what comes next. */
  async #renew(): Promise<void> {
    if (!this.#stage.isVirtual) await renewal(this.#stage, this.session);
  }
}

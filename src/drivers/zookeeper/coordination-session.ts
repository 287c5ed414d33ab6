/**
 * A session that is not kept alive by pings but by `renew`.
 *
 * A ping does not prove that the session lives on: a follower answers it by itself and tells the leader, which alone counts the time, up to half
 * a tick later, or not at all while it is cut off, for several seconds. So a renewal attaches the session anew, which every server asks its
 * leader for, and then has a transaction confirmed by a majority, which a leader that has been replaced cannot do. See docs/adr/0131.
 */
import type { Clock, CoordinationSession } from "../../contract/index.ts";
import { Deferred, settledWithin } from "../../runtime/index.ts";
import { SessionTimeRefused } from "../shared/session-time-refused.ts";
import type { Connection, Reply, Session } from "./client/connection.ts";
import { failureIn, readWriteResults } from "./client/replies.ts";
import { ANY, requests, type Request } from "./client/requests.ts";
import type { Servers } from "./client/servers.ts";
import { Code, answerError, isAnswer, isKind, ZookeeperError } from "./client/zookeeper-error.ts";

export type SessionPlan = Readonly<{
  servers: Servers;
  clock: Clock;
  callMs: number;
  ttlMs: number;
  markOf: (id: string) => string;
}>;

export class ZookeeperSession implements CoordinationSession {
  readonly id: string;
  readonly #plan: SessionPlan;
  readonly #session: Session;
  #connection: Connection;
  readonly #abandoned = new AbortController();
  #isClosed = false;
  #hasEnded = false;
  #inFlight = 0;
  #idle: Deferred | undefined;
  /** Settles when the switch that goes on is over. Never rejects. */
  #switching: Promise<void> | undefined;

  private constructor(plan: SessionPlan, connection: Connection) {
    this.#plan = plan;
    this.#connection = connection;
    this.#session = connection.session;
    this.id = BigInt.asUintN(64, connection.session.id).toString(16).padStart(16, "0");
  }

  /** @throws INVALID_ARGUMENT when the server grants another time; a ZookeeperError. */
  static async open(plan: SessionPlan): Promise<ZookeeperSession> {
    const { servers, ttlMs, callMs } = plan;
    const connection = await servers.attach({ timeoutMs: ttlMs, withinMs: callMs });
    const session = new ZookeeperSession(plan, connection);
    if (connection.timeoutMs === ttlMs) return session;
    await session.close().catch(() => undefined);
    throw changedTime(ttlMs, connection.timeoutMs);
  }

  /** The server's number of it: the owner of its nodes. */
  get owner(): bigint {
    return this.#session.id;
  }

  /** For good: nothing is written under it any more. */
  get isOver(): boolean {
    return this.#isClosed || this.#hasEnded;
  }

  async renew(): Promise<"ok" | "lost"> {
    if (this.isOver) return "lost";
    try {
      await this.#switch(() => this.#prove());
      return this.isOver ? "lost" : "ok";
    } catch (error) {
      if (this.#tellsEnd(error)) return "lost";
      throw error;
    }
  }

  /** On its own connection: nodes that go with it can be made there only. @throws a ZookeeperError, `expired` when it has ended. */
  async call(request: Request): Promise<Reply> {
    while (!this.isOver && !this.#isReady) await this.#becomeReady();
    if (this.isOver) throw new ZookeeperError("expired", "The session has ended.");
    // Between the look above and this nothing else ran: who switches waits for it.
    this.#inFlight += 1;
    try {
      return this.#heard(await this.#connection.call(request));
    } catch (error) {
      throw this.#tellsEnd(error) ? new ZookeeperError("expired", "The session has ended.") : error;
    } finally {
      this.#inFlight -= 1;
      if (this.#inFlight === 0) this.#idle?.resolve();
    }
  }

  /** What is not confirmed can be tried again; from the first try on it counts as ended here. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (let tries = 0; !this.#hasEnded && !this.#abandoned.signal.aborted; tries += 1) {
      try {
        while (!this.#isReady) await this.#becomeReady();
        this.#heard(await this.#connection.call(requests.closeSession));
        this.#hasEnded = true;
      } catch (error) {
        // Where the answer was lost, attaching tells whether it has ended.
        if (!this.#tellsEnd(error) && (tries > 0 || !isKind(error, "lost"))) throw error;
      }
    }
    this.#connection.destroy("The session is closed.");
  }

  /** Leaves it to its time. */
  abandon(): void {
    this.#isClosed = true;
    this.#abandoned.abort();
    this.#connection.destroy("The store is closed.");
  }

  get #isReady(): boolean {
    return this.#switching === undefined && !this.#connection.isOver;
  }

  async #becomeReady(): Promise<void> {
    if (this.#switching !== undefined) await this.#switching;
    else await this.#switch();
  }

  /** One after the other: each takes the session away from the connection before. `then`: what belongs to it, before others use the new one. */
  async #switch(then: () => Promise<void> = () => Promise.resolve()): Promise<void> {
    while (this.#switching !== undefined) await this.#switching;
    const done = new Deferred();
    this.#switching = done.promise;
    try {
      await this.#attach();
      await then();
    } finally {
      this.#switching = undefined;
      done.resolve();
    }
  }

  async #attach(): Promise<void> {
    const { servers, ttlMs, clock, callMs } = this.#plan;
    const withinMs = Math.min(callMs, ttlMs / 3);
    // What is on its way would get no answer.
    if (this.#inFlight > 0) {
      this.#idle = new Deferred();
      await settledWithin(clock, this.#idle.promise, withinMs / 3);
    }
    const { signal } = this.#abandoned;
    const next = await servers.attach({ timeoutMs: ttlMs, session: this.#session, withinMs, signal });
    this.#connection.destroy("The session went to another connection.");
    this.#connection = next;
    if (signal.aborted) next.destroy("The store is closed.");
    if (next.timeoutMs !== ttlMs) throw changedTime(ttlMs, next.timeoutMs);
  }

  async #prove(): Promise<void> {
    const check = { op: "check", path: this.#plan.markOf(this.id), version: ANY } as const;
    const { body } = this.#heard(await this.#connection.call(requests.multi([check])));
    const failure = failureIn(readWriteResults(body));
    if (failure?.code === Code.noNode) throw new ZookeeperError("expired", "The session's mark is gone.");
    if (failure !== undefined) throw answerError(failure.code);
  }

  #heard(reply: Reply): Reply {
    this.#plan.servers.saw(reply.zxid);
    return reply;
  }

  #tellsEnd(error: unknown): boolean {
    if (!isKind(error, "expired") && !isAnswer(error, Code.sessionExpired)) return false;
    this.#hasEnded = true;
    this.#connection.destroy("The session has ended.");
    return true;
  }
}

function changedTime(asked: number, granted: number): SessionTimeRefused {
  const bound =
    granted > asked ? "minSessionTimeout (by default 2 ticks, 4 s)" : "maxSessionTimeout (by default 20 ticks, 40 s)";
  return new SessionTimeRefused(
    `A session of ${asked} ms was asked for and ZooKeeper grants ${granted} ms. Ask for that, or change the servers' ${bound}.`,
    granted,
  );
}

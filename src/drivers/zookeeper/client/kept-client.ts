import type { Clock, Timer } from "../../../contract/index.ts";
import { Deferred, settledWithin, sleep } from "../../../runtime/index.ts";
import type { Connection, Reply, Session } from "./connection.ts";
import type { WatchedEvent } from "./replies.ts";
import { frameOf, requests, type Request } from "./requests.ts";
import type { Servers } from "./servers.ts";
import { isKind, ZookeeperError } from "./zookeeper-error.ts";

/** Of the client's own session, which owns nothing but watches. */
const SESSION_MS = 10_000;
/** So soon a connection that hangs is noticed, and left for another server. */
const PING_EVERY_MS = 2_000;
const FIRST_PAUSE_MS = 20;
const MAX_PAUSE_MS = 1_000;

export type KeptClientPlan = Readonly<{ servers: Servers; clock: Clock; connectMs: number; callMs: number }>;

type Send = (connection: Connection) => Promise<Reply>;

export type Heard = Readonly<{
  event: (event: WatchedEvent) => void;
  /** The connection is another one: anything may have changed meanwhile. */
  reconnected: () => void;
}>;

/**
 * A connection that is always there: kept alive by pings, made again when it goes, on another server with the same session, or with a new one where
 * that has ended. Calls wait for it, but no longer than their time. What was sent is never sent again.
 */
export class KeptClient {
  readonly #plan: KeptClientPlan;
  readonly #heard: Heard;
  readonly #closed = new AbortController();
  readonly #watched = new Set<string>();
  #connection: Connection | undefined;
  #connected: Deferred<Connection> = new Deferred();
  #session: Session | undefined;
  #ping: Timer | undefined;
  #running: Promise<void> | undefined;

  constructor(plan: KeptClientPlan, heard: Heard) {
    this.#plan = plan;
    this.#heard = heard;
  }

  /** @throws when no server can be had. */
  async open(): Promise<void> {
    const connection = await this.#attach();
    if (this.#closed.signal.aborted) {
      connection.destroy("The client is closed.");
      throw closedError();
    }
    this.#use(connection);
  }

  /** @throws a ZookeeperError. */
  call(request: Request): Promise<Reply> {
    return this.#sent(request, (connection) => connection.call(request));
  }

  /** Both at once; the second, which is the larger, sees what the first brought. @throws what either throws. */
  callBoth(first: Request, second: Request): Promise<Reply> {
    return this.#sent(second, async (connection) => {
      const [, reply] = await Promise.all([connection.call(first), connection.call(second)]);
      return reply;
    });
  }

  async #sent(largest: Request, send: Send): Promise<Reply> {
    const connection = this.#connection ?? (await this.#waited());
    const reply = await send(connection).catch((error: unknown) => this.#again(largest, send, connection, error));
    this.#plan.servers.saw(reply.zxid);
    return reply;
  }

  /** What was not sent because it was too large lately may go now. */
  async #again(largest: Request, send: Send, connection: Connection, error: unknown): Promise<Reply> {
    const { limit } = this.#plan.servers;
    const { address, cutOffBytes } = connection;
    // Known before the caller tries again.
    if (isKind(error, "lost") && cutOffBytes > 0) await limit.suspect(address, cutOffBytes);
    if (!isKind(error, "size")) throw error;
    const takes = await limit.takes(address, bytesOf(largest));
    if (takes === false) throw error;
    if (takes === undefined && !this.#closed.signal.aborted)
      throw new ZookeeperError("refused", `${error.message} It may take more, but did not answer that in time.`);
    return send(this.#connection ?? (await this.#waited()));
  }

  /** Until the client is closed, over all connections. */
  async watch(path: string): Promise<void> {
    if (this.#watched.has(path)) return;
    await this.call(requests.addWatch(path, "subtree"));
    this.#watched.add(path);
  }

  async close(): Promise<void> {
    if (this.#closed.signal.aborted) return;
    this.#closed.abort();
    this.#connected.promise.catch(() => undefined);
    this.#connected.reject(closedError());
    const searched = this.#plan.servers.limit.close();
    const connection = this.#connection;
    if (connection !== undefined && !connection.isOver) {
      const ended = connection.call(requests.closeSession);
      ended.catch(() => undefined);
      await settledWithin(this.#plan.clock, ended, this.#plan.callMs);
      connection.destroy("The client is closed.");
    }
    this.#ping?.cancel();
    await Promise.all([this.#running, searched]);
  }

  async #waited(): Promise<Connection> {
    if (this.#closed.signal.aborted) throw closedError();
    const { promise } = this.#connected;
    if (!(await settledWithin(this.#plan.clock, promise, this.#plan.callMs)))
      throw new ZookeeperError(
        "refused",
        `There was no connection to ${this.#plan.servers.shown} for ${this.#plan.callMs} ms.`,
      );
    return promise;
  }

  async #attach(): Promise<Connection> {
    const { servers, connectMs } = this.#plan;
    const how = { timeoutMs: SESSION_MS, withinMs: connectMs, signal: this.#closed.signal };
    try {
      return await servers.attach({ ...how, session: this.#session });
    } catch (error) {
      if (!isKind(error, "expired")) throw error;
      this.#session = undefined;
      return servers.attach(how);
    }
  }

  #use(connection: Connection): void {
    this.#connection = connection;
    this.#session = connection.session;
    connection.onEvent = this.#heard.event;
    this.#schedulePing(connection);
    this.#connected.resolve(connection);
    this.#running = this.#follow(connection);
  }

  /** Never rejects. */
  async #follow(connection: Connection): Promise<void> {
    await connection.over;
    this.#ping?.cancel();
    this.#connection = undefined;
    if (this.#closed.signal.aborted) return;
    this.#connected = new Deferred();
    // Those who wait have their own time.
    this.#connected.promise.catch(() => undefined);
    const next = await this.#reconnect();
    if (next === undefined) return;
    if (this.#closed.signal.aborted) return next.destroy("The client is closed.");
    this.#use(next);
    this.#heard.reconnected();
  }

  async #reconnect(): Promise<Connection | undefined> {
    const { signal } = this.#closed;
    for (let pause = FIRST_PAUSE_MS; !signal.aborted; pause = Math.min(2 * pause, MAX_PAUSE_MS)) {
      let connection: Connection | undefined;
      try {
        const next = await this.#attach();
        connection = next;
        // Heard from now on: what happened before is looked at after this.
        next.onEvent = this.#heard.event;
        await Promise.all([...this.#watched].map((path) => next.call(requests.addWatch(path, "subtree"))));
        if (!signal.aborted) return next;
        next.destroy("The client is closed.");
      } catch {
        connection?.destroy("The watches could not be set again.");
        await sleep(this.#plan.clock, pause * (0.5 + this.#plan.clock.random()), signal, { keepAlive: false });
      }
    }
    return undefined;
  }

  #schedulePing(connection: Connection): void {
    const { clock } = this.#plan;
    const delay = Math.min(PING_EVERY_MS, connection.timeoutMs / 3);
    this.#ping = clock.timer(
      delay,
      () => {
        // When no answer comes in time the connection ends by itself.
        connection.call(requests.ping).catch(() => undefined);
        if (!connection.isOver) this.#schedulePing(connection);
      },
      { keepAlive: false },
    );
  }
}

function bytesOf(request: Request): number {
  return frameOf(request, 0).length - 4;
}

function closedError(): ZookeeperError {
  return new ZookeeperError("closed", "The client is closed.");
}

import { connect, type ClientHttp2Session } from "node:http2";
import type { Socket } from "node:net";
import type { Timer } from "../../../contract/index.ts";
import { Deferred, nextTurn, systemClock } from "../../../runtime/index.ts";
import { type Endpoint, shownEndpoint, socketTo } from "./endpoint.ts";
import { Exchange, type Heard } from "./exchange.ts";
import { ClientClosed, NoAnswer, NotEtcd, NotReached } from "./failures.ts";

const CONNECT_MS = 2_000;
const LOOK_EVERY_MS = 250;
/** A call waits for so long: does the server still live? */
const ASK_AFTER_MS = 500;
/** Nothing but watches is open, and nothing came for so long. */
const ASK_IDLE_MS = 6_000;
/** etcd ends connections that ping more often than every 5 s (--grpc-keepalive-min-time). */
const ASK_EVERY_MS = 5_500;
const PONG_MS = 1_000;
/** So much of an answer may be on its way. HTTP/2's own 64 KiB would make a large listing wait for the line again and again. */
const WINDOW_BYTES = 4 * 1_048_576;
const CONNECTION_WINDOW_BYTES = 16 * 1_048_576;
const MAX_MESSAGE_BYTES = 32 * 1_048_576;

/**
 * One connection of HTTP/2 to one endpoint. While something is open on it, it is asked for a sign of life, because a server that stands still, or a
 * line that is cut, looks like one that has nothing to say. When it ends, everything on it ends.
 */
export class Channel {
  readonly endpoint: Endpoint;
  readonly #socket: Socket;
  readonly #session: ClientHttp2Session;
  readonly #ready = new Deferred();
  readonly #gone = new Deferred();
  readonly #patience: Timer;
  readonly #exchanges = new Set<Exchange>();
  #calls = 0;
  #isReady = false;
  #failure: Error | undefined;
  #heardAt: number = systemClock.monotonic();
  #askedAt = -Infinity;
  #isAsked = false;
  #looking: Timer | undefined;

  constructor(endpoint: Endpoint) {
    this.endpoint = endpoint;
    const settings = { enablePush: false, initialWindowSize: WINDOW_BYTES };
    const socket = socketTo(endpoint);
    const scheme = endpoint.tls === undefined ? "http" : "https";
    const session = connect(`${scheme}://${shownEndpoint(endpoint)}`, { createConnection: () => socket, settings });
    this.#socket = socket;
    this.#session = session;
    this.#ready.promise.catch(() => undefined); // told to those who call; there may be none
    this.#patience = systemClock.timer(CONNECT_MS, () =>
      this.#fail(new NotReached(`no answer within ${CONNECT_MS} ms`)),
    );
    session.once("connect", () => session.setLocalWindowSize(CONNECTION_WINDOW_BYTES));
    session.once("remoteSettings", () => this.#opened());
    session.on("error", (error) => this.#fail(this.#explained(error)));
    session.once("close", () => this.#fail(this.#explained(undefined)));
    // The session itself says nothing when a server refuses the client's certificate after the handshake (Node.js 24).
    socket.on("error", (error) => this.#fail(this.#explained(error)));
    socket.once("close", () => {
      this.#fail(this.#explained(undefined));
      this.#gone.resolve();
    });
  }

  /** Whether it is worth a call. */
  get isUsable(): boolean {
    return this.#failure === undefined && !this.#session.closed && !this.#session.destroyed;
  }

  /** @throws NotReached, NotEtcd. */
  ready(): Promise<void> {
    return this.#ready.promise;
  }

  /** The message that answers. @throws EtcdRefusal, NotReached, NoAnswer, NotEtcd, TooLarge, ClientClosed. */
  async call(
    method: string,
    message: Uint8Array,
    headers: Readonly<Record<string, string>>,
    withinMs: number,
  ): Promise<Uint8Array> {
    const answered = new Deferred<Uint8Array>();
    let answer: Uint8Array | undefined;
    if (this.#calls === 0) this.#heardAt = systemClock.monotonic();
    this.#calls += 1;
    const patience = systemClock.timer(withinMs, () => {
      exchange?.cancel(new NoAnswer(`no answer within ${Math.round(withinMs)} ms`));
    });
    let exchange: Exchange | undefined;
    try {
      const timeout = { ...headers, "grpc-timeout": `${Math.max(1, Math.round(withinMs))}m` };
      exchange = this.open(method, timeout, {
        message: (bytes) => (answer = bytes),
        anything: () => undefined,
        ended: (failure) => {
          if (failure === undefined && answer !== undefined) answered.resolve(answer);
          else answered.reject(failure ?? new NoAnswer("the call ended without an answer"));
        },
      });
      exchange.finish(message);
      return await answered.promise;
    } finally {
      this.#calls -= 1;
      patience.cancel();
    }
  }

  /** @throws NotReached. */
  open(method: string, headers: Readonly<Record<string, string>>, heard: Heard): Exchange {
    if (this.#failure !== undefined) throw this.#failure;
    const exchange: Exchange = new Exchange(this.#request(method, headers), MAX_MESSAGE_BYTES, {
      message: heard.message,
      anything: () => (this.#heardAt = systemClock.monotonic()),
      ended: (failure) => {
        this.#exchanges.delete(exchange);
        if (this.#exchanges.size === 0) this.#rest();
        heard.ended(failure === undefined ? undefined : (this.#failure ?? failure));
      },
    });
    this.#exchanges.add(exchange);
    this.#looking ??= this.#arm();
    return exchange;
  }

  #request(method: string, headers: Readonly<Record<string, string>>): ReturnType<ClientHttp2Session["request"]> {
    try {
      return this.#session.request({
        ":method": "POST",
        ":path": `/etcdserverpb.${method}`,
        "content-type": "application/grpc",
        te: "trailers",
        // A node that has lost its leader says so, and ends its watches, instead of waiting.
        hasleader: "true",
        ...headers,
      });
    } catch (cause) {
      throw new NotReached("the connection takes no more calls", { cause });
    }
  }

  /** Resolves when nothing of it is left. */
  async close(): Promise<void> {
    this.#fail(new ClientClosed("the client is closed"));
    await this.#gone.promise;
  }

  #opened(): void {
    this.#isReady = true;
    this.#patience.cancel();
    this.#ready.resolve();
  }

  /** In the words of those who wait: what was sent may have been done. */
  #explained(error: Error | undefined): Error {
    if (this.#isReady) return new NoAnswer("the connection broke before the answer", { cause: error });
    const { code = "" } = (error ?? {}) as Readonly<{ code?: string }>;
    if (code.startsWith("ERR_HTTP2")) return new NotEtcd("an answer that is not HTTP/2", { cause: error });
    return new NotReached(error === undefined ? "the connection was closed at once" : "no connection", {
      cause: error,
    });
  }

  /** Ends it and everything on it. */
  #fail(failure: Error): void {
    if (this.#failure !== undefined) return;
    this.#failure = failure;
    this.#patience.cancel();
    this.#rest();
    this.#ready.reject(failure);
    this.#session.destroy();
    this.#socket.destroy();
  }

  #rest(): void {
    this.#looking?.cancel();
    this.#looking = undefined;
  }

  #arm(): Timer {
    return systemClock.timer(LOOK_EVERY_MS, () => this.#look(), { keepAlive: false });
  }

  #look(): void {
    if (this.#exchanges.size === 0 || !this.isUsable) return;
    this.#looking = this.#arm();
    const now = systemClock.monotonic();
    const silentMs = now - Math.max(this.#heardAt, this.#askedAt);
    if (this.#isAsked) {
      if (silentMs >= PONG_MS) this.#doubt();
    } else if (now - this.#heardAt >= (this.#calls > 0 ? ASK_AFTER_MS : ASK_IDLE_MS)) this.#ask(now);
  }

  #ask(now: number): void {
    if (now - this.#askedAt < ASK_EVERY_MS) return;
    this.#askedAt = now;
    this.#isAsked = this.#session.ping(() => {
      this.#isAsked = false;
      this.#heardAt = systemClock.monotonic();
    });
  }

  /** What this process has not read yet, because it stood still itself, may hold the answer. */
  #doubt(): void {
    const heardAt = this.#heardAt;
    nextTurn(() => {
      if (!this.#isAsked || this.#heardAt !== heardAt) return;
      this.#fail(new NoAnswer(`the server gave no sign of life within ${PONG_MS} ms`));
    });
  }
}

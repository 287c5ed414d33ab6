import { connect as connectPlain, type Socket } from "node:net";
import { connect as connectTls, type ConnectionOptions } from "node:tls";
import type { Clock, Timer } from "../../../contract/index.ts";
import { afterMicrotasks, Deferred } from "../../../runtime/index.ts";
import { isHangUp, mayBeAnother } from "../../shared/hung-up.ts";
import { isTlsCode } from "../../shared/tls.ts";
import { Frames } from "./frames.ts";
import { JuteReader } from "./jute.ts";
import type { WatchedEvent } from "./replies.ts";
import { frameOf, greetingFrame, type Request } from "./requests.ts";
import { answerError, ZookeeperError } from "./zookeeper-error.ts";

export type Address = Readonly<{ host: string; port: number }>;
export type Session = Readonly<{ id: bigint; password: Uint8Array }>;
export type Reply = Readonly<{ zxid: bigint; body: JuteReader }>;

export type ConnectionPlan = Readonly<{
  address: Address;
  tls: ConnectionOptions | undefined;
  clock: Clock;
  /** Without one the server makes a new session. */
  session: Session | undefined;
  timeoutMs: number;
  /** A server that has not come that far refuses. */
  lastZxid: bigint;
  connectMs: number;
  callMs: number;
  /** Of one request, as far as is known. */
  mostBytes: () => number;
  /** Ends the attempt. */
  signal?: AbortSignal | undefined;
}>;

const NO_SESSION: Session = { id: 0n, password: new Uint8Array(16) };
const EVENT_XID = -1;
/** Of calls that were sent and not answered. Who has more is told at once. */
const MAX_IN_FLIGHT = 4_096;
const MAX_BYTES_IN_FLIGHT = 64 * 1024 * 1024;
/** From here on a connection that ends without a word may be the server's way to say "too large". */
export const SUSPECT_BYTES = 4_096;

type Pending = Readonly<{
  xid: number;
  path: string | undefined;
  bytes: number;
  until: number;
  answer: Deferred<Reply>;
}>;

/**
 * One connection, and with it one session at one server. Requests are sent at once, one behind the other, and answered in their order; so one that
 * gets no answer in time ends the connection, because nothing behind it would. It never connects again by itself.
 */
export class Connection {
  readonly address: Address;
  /** Resolves with the reason when it is over. */
  readonly over: Promise<ZookeeperError>;
  onEvent: (event: WatchedEvent) => void = () => undefined;
  readonly #plan: ConnectionPlan;
  readonly #socket: Socket;
  readonly #frames = new Frames();
  readonly #ended = new Deferred<ZookeeperError>();
  readonly #greeted = new Deferred();
  /** Those with a number of their own, such as pings, are answered out of turn but in order among themselves. */
  readonly #waiting: Pending[] = [];
  readonly #apart: Pending[] = [];
  #bytesInFlight = 0;
  #xid = 0;
  #timer: Timer | undefined;
  #isCorked = false;
  #isListening = false;
  #reason: ZookeeperError | undefined;
  #session: Session = NO_SESSION;
  #timeoutMs = 0;
  #cutOffBytes = 0;

  private constructor(plan: ConnectionPlan) {
    const { address, tls } = plan;
    this.#plan = plan;
    this.address = address;
    this.over = this.#ended.promise;
    const socket = tls === undefined ? connectPlain({ ...address }) : connectTls({ ...address, ...tls });
    this.#socket = socket;
    let isConnected = false;
    socket.setNoDelay(true);
    socket.once("connect", () => (this.#isListening = true));
    socket.once(tls === undefined ? "connect" : "secureConnect", () => {
      isConnected = true;
      const { lastZxid, timeoutMs, session = NO_SESSION } = plan;
      socket.write(greetingFrame({ lastZxid, timeoutMs, session }));
    });
    socket.on("data", (chunk: Buffer) => this.#arrived(chunk));
    socket.on("error", (error: NodeJS.ErrnoException) => this.#cutOff(this.#failed(error, isConnected)));
    socket.on("close", () => this.#cutOff(this.#unsaid()));
  }

  /** @throws a ZookeeperError: `refused`, `lost`, `tls`, `foreign`, `expired`. */
  static async open(plan: ConnectionPlan): Promise<Connection> {
    const connection = new Connection(plan);
    const { connectMs, clock, signal } = plan;
    const onAbort = (): void => connection.destroy("The client is closed.");
    signal?.addEventListener("abort", onAbort, { once: true });
    if (signal?.aborted) onAbort();
    const patience = clock.timer(connectMs, () => {
      connection.#end(connection.#silent(Math.round(connectMs)));
    });
    try {
      await Promise.race([connection.#greeted.promise, connection.over.then((reason) => Promise.reject(reason))]);
      return connection;
    } finally {
      patience.cancel();
      signal?.removeEventListener("abort", onAbort);
    }
  }

  get session(): Session {
    return this.#session;
  }

  /** What the server grants. */
  get timeoutMs(): number {
    return this.#timeoutMs;
  }

  /** Of the largest request that waited when the other side ended it without a word, where it may have been too large. */
  get cutOffBytes(): number {
    return this.#cutOffBytes >= SUSPECT_BYTES ? this.#cutOffBytes : 0;
  }

  get isOver(): boolean {
    return this.#reason !== undefined;
  }

  /** @throws a ZookeeperError: `answer` is a refusal; after `lost` it may have been done. */
  call(request: Request): Promise<Reply> {
    if (this.#reason !== undefined) return Promise.reject(this.#reason);
    const { callMs, clock, mostBytes } = this.#plan;
    const xid = request.xid ?? this.#nextXid();
    const frame = frameOf(request, xid);
    const bytes = frame.length - 4;
    if (bytes > mostBytes()) {
      const text = `The request has ${bytes} bytes; the server takes ${mostBytes()} (jute.maxbuffer, maxRequestBytes).`;
      return Promise.reject(new ZookeeperError("size", text));
    }
    if (this.#waiting.length >= MAX_IN_FLIGHT || this.#bytesInFlight + bytes > MAX_BYTES_IN_FLIGHT)
      return Promise.reject(new ZookeeperError("refused", "Too many calls wait for the server's answers."));
    const pending: Pending = {
      xid,
      path: request.path,
      bytes,
      until: clock.monotonic() + callMs,
      answer: new Deferred(),
    };
    (request.xid === undefined ? this.#waiting : this.#apart).push(pending);
    this.#bytesInFlight += bytes;
    this.#send(frame);
    this.#guard();
    return pending.answer.promise;
  }

  /** At once; what waits for an answer gets `lost`. */
  destroy(reason: string): void {
    this.#end(new ZookeeperError("closed", reason));
  }

  #nextXid(): number {
    this.#xid = this.#xid === 0x7fff_ffff ? 1 : this.#xid + 1;
    return this.#xid;
  }

  /** What is called in one turn goes out as one packet. */
  #send(frame: Buffer): void {
    if (!this.#isCorked) {
      this.#isCorked = true;
      this.#socket.cork();
      afterMicrotasks(() => {
        this.#isCorked = false;
        this.#socket.uncork();
      });
    }
    this.#socket.write(frame);
  }

  /** One timer for all calls; it is not armed anew with each but looks when it fires. */
  #guard(): void {
    if (this.#timer !== undefined) return;
    const { clock, callMs } = this.#plan;
    const ends = [this.#waiting[0], this.#apart[0]].flatMap((one) => (one === undefined ? [] : [one.until]));
    if (ends.length === 0 || this.#reason !== undefined) return;
    const left = Math.min(...ends) - clock.monotonic();
    if (left <= 0) {
      this.#end(new ZookeeperError("lost", `${this.#shown} gave no answer within ${callMs} ms.`));
      return;
    }
    this.#timer = clock.timer(left, () => {
      this.#timer = undefined;
      this.#guard();
    });
  }

  #arrived(chunk: Buffer): void {
    if (this.#reason !== undefined) return;
    try {
      for (const frame of this.#frames.push(chunk)) this.#take(new JuteReader(frame));
    } catch (error) {
      if (error instanceof ZookeeperError) this.#end(error);
      else this.#end(new ZookeeperError("foreign", "What answers does not speak ZooKeeper's protocol."));
    }
  }

  #take(body: JuteReader): void {
    if (!this.#isGreeted) return this.#takeGreeting(body);
    const xid = body.int();
    const zxid = body.long();
    const code = body.int();
    if (xid === EVENT_XID) {
      const type = body.int();
      body.int();
      this.onEvent({ type, path: body.text() });
      return;
    }
    const line = xid < 0 ? this.#apart : this.#waiting;
    const pending = line.shift();
    if (pending === undefined || pending.xid !== xid)
      throw new ZookeeperError("foreign", "The server answered out of turn.");
    this.#bytesInFlight -= pending.bytes;
    if (code === 0) pending.answer.resolve({ zxid, body });
    else pending.answer.reject(answerError(code, pending.path, zxid));
  }

  #takeGreeting(body: JuteReader): void {
    body.int();
    this.#timeoutMs = body.int();
    const id = body.long();
    const password = Uint8Array.from(body.bytes());
    if (id === 0n || this.#timeoutMs <= 0) {
      this.#end(new ZookeeperError("expired", "The session has ended."));
      return;
    }
    this.#session = { id, password };
    this.#greeted.resolve();
  }

  #end(reason: ZookeeperError): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.#timer?.cancel();
    this.#socket.destroy();
    const lost = reason.kind === "lost" ? reason : new ZookeeperError("lost", reason.message);
    for (const { answer } of [...this.#waiting.splice(0), ...this.#apart.splice(0)]) answer.reject(lost);
    this.#ended.resolve(reason);
  }

  #silent(milliseconds: number): ZookeeperError {
    const text = this.#isListening
      ? `Something listens at ${this.#shown}, but gave no answer of ZooKeeper's protocol within ${milliseconds} ms, as a server that hangs. ${this.#another}`
      : `${this.#shown} could not be reached within ${milliseconds} ms.`;
    return new ZookeeperError("refused", text);
  }

  /** The server ended it without a word: while it does not serve, when it stops, and for a request that is too large. */
  #unsaid(): ZookeeperError {
    const largest = this.#largest;
    const hint =
      largest < SUSPECT_BYTES
        ? ""
        : ` A request of ${largest} bytes was on its way: if this happens again with it, it is more than the server's jute.maxbuffer; raise that on all servers, or lower maxRequestBytes here.`;
    if (this.#isGreeted) return new ZookeeperError("lost", `${this.#shown} ended the connection.${hint}`);
    const what = this.#isListening ? `ended the connection. ${this.#another}` : "could not be reached.";
    return new ZookeeperError("refused", `${this.#shown} ${what}`);
  }

  #failed({ code = "no code" }: NodeJS.ErrnoException, isConnected: boolean): ZookeeperError {
    // A certificate of the client is refused after the handshake (TLS 1.3).
    if (!this.#isGreeted && isTlsCode(code)) return new ZookeeperError("tls", code);
    const hint = !this.#isGreeted && isHangUp(code) ? ` ${this.#another}` : "";
    const kind = isConnected ? "lost" : "refused";
    return new ZookeeperError(kind, `The connection to ${this.#shown} failed (${code}).${hint}`);
  }

  #cutOff(reason: ZookeeperError): void {
    if (this.#reason === undefined) this.#cutOffBytes = this.#largest;
    this.#end(reason);
  }

  get #largest(): number {
    return Math.max(0, ...this.#waiting.map(({ bytes }) => bytes));
  }

  get #isGreeted(): boolean {
    return this.#session.id !== 0n;
  }

  get #another(): string {
    return mayBeAnother("ZooKeeper's for clients is 2181 by default", this.#plan.tls !== undefined);
  }

  get #shown(): string {
    return `${this.address.host}:${this.address.port}`;
  }
}

/**
 * A client of etcd's API, version 3: gRPC on Node's own HTTP/2, with the messages that Jobferry needs. Why our own: docs/adr/0120.
 *
 * Every call has a deadline, and is sent once. It goes to another endpoint only when it was certainly not sent, and again only when the server
 * refused its token. All calls go over one connection, many at once.
 */
import { systemClock } from "../../../runtime/index.ts";
import { Connections } from "./connections.ts";
import type { Endpoint } from "./endpoint.ts";
import { ClientClosed, EtcdRefusal, NoAnswer, NotReached, STATUS } from "./failures.ts";
import { type Changes, Follower } from "./follower.ts";
import { Gate } from "./gate.ts";
import { type Credentials, Login } from "./login.ts";
import * as messages from "./messages.ts";
import { WatchStream } from "./watch-stream.ts";

export type EtcdClientOptions = Readonly<{
  endpoints: readonly Endpoint[];
  credentials?: Credentials | undefined;
  /** How long a call may take. */
  callMs: number;
}>;

/** Less than the 250 streams that servers allow at least. */
const CALLS_AT_ONCE = 100;
const MAX_WAITING = 10_000;
const MAX_WAITING_BYTES = 64 * 1_048_576;

export class EtcdClient {
  readonly #connections: Connections;
  readonly #login: Login | undefined;
  readonly #callMs: number;
  readonly #gate = new Gate(CALLS_AT_ONCE, MAX_WAITING, MAX_WAITING_BYTES);
  readonly #closed = new AbortController();
  #watches: WatchStream | undefined;

  constructor({ endpoints, credentials, callMs }: EtcdClientOptions) {
    this.#connections = new Connections(endpoints, systemClock.random());
    this.#callMs = callMs;
    if (credentials === undefined) return;
    const request = messages.authenticateRequest(credentials.user, credentials.password);
    this.#login = new Login(async () => {
      const until = systemClock.monotonic() + this.#callMs;
      return messages.readToken(await this.#sent("Auth/Authenticate", request, undefined, until));
    });
  }

  async get(key: string): Promise<messages.EtcdEntry | undefined> {
    return messages.readRange(await this.#call("KV/Range", messages.getRequest(key))).entries[0];
  }

  async range(range: messages.EtcdRange): Promise<messages.RangeResult> {
    return messages.readRange(await this.#call("KV/Range", messages.rangeRequest(range)));
  }

  async transact(
    compares: readonly messages.EtcdCompare[],
    writes: readonly messages.EtcdWrite[],
  ): Promise<Readonly<{ succeeded: boolean; revision: bigint }>> {
    return messages.readTransaction(await this.#call("KV/Txn", messages.transactionRequest(compares, writes)));
  }

  /** How many members have a vote. */
  async voters(): Promise<number> {
    return messages.readVoters(await this.#call("Cluster/MemberList", messages.emptyRequest()));
  }

  /** `seconds`: what the server gave, which may be more than was asked. */
  async grant(seconds: number): Promise<Readonly<{ lease: bigint; seconds: number }>> {
    return messages.readLease(await this.#call("Lease/LeaseGrant", messages.grantRequest(seconds)));
  }

  /**
   * false: there is no such lease any more. A stream of its own, which ends with the answer: so each has its deadline and a token that is valid,
   * as a stream that stays open has not.
   */
  async keepAlive(lease: bigint): Promise<boolean> {
    try {
      return messages.readLease(await this.#call("Lease/LeaseKeepAlive", messages.leaseRequest(lease))).seconds > 0;
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
  }

  /** Also when it has ended. */
  async revoke(lease: bigint): Promise<void> {
    try {
      await this.#call("Lease/LeaseRevoke", messages.leaseRequest(lease));
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  /** What changes under the prefix, from that revision on. Ends with the signal, or with a `gap`. */
  async *watch(prefix: string, from: bigint, signal: AbortSignal): AsyncGenerator<Changes | "gap", void, undefined> {
    const over = AbortSignal.any([signal, this.#closed.signal]);
    let next = from;
    for (let tries = 0; !over.aborted; tries += 1) {
      const stream = await this.#watchStream();
      if (over.aborted) return;
      const follower = new Follower(prefix, next);
      const remove = stream.add(follower);
      over.addEventListener("abort", follower.end, { once: true });
      try {
        for (let changes = await follower.next(); changes !== undefined; changes = await follower.next()) {
          yield changes;
          if (changes === "gap") return;
          next = changes.revision + 1n;
        }
      } catch (error) {
        if (over.aborted) return;
        // Before etcd 3.5 a watch with a token that has ended is told no more than that it may not.
        const isDenied = error instanceof EtcdRefusal && error.status === STATUS.permissionDenied;
        if (isDenied && stream.token !== undefined) this.#login?.forget(stream.token);
        else if (!this.#isOfToken(error, stream.token)) throw error;
        if (tries > 0 || stream.token === undefined) throw error;
      } finally {
        over.removeEventListener("abort", follower.end);
        remove();
      }
    }
  }

  async close(): Promise<void> {
    this.#closed.abort();
    await this.#connections.close();
  }

  async #watchStream(): Promise<WatchStream> {
    const until = systemClock.monotonic() + this.#callMs;
    const token = await this.#login?.token();
    const channel = await this.#connections.ready(() => systemClock.monotonic() < until);
    const known = this.#watches;
    if (known?.isUsable && known.channel === channel && known.token === token) return known;
    this.#watches = new WatchStream(channel, token);
    return this.#watches;
  }

  #call(method: string, message: Uint8Array): Promise<Uint8Array> {
    const until = systemClock.monotonic() + this.#callMs;
    return this.#gate.through(message.length, async () => {
      const token = await this.#login?.token();
      try {
        return await this.#sent(method, message, token, until);
      } catch (error) {
        if (!this.#isOfToken(error, token)) throw error;
        return this.#sent(method, message, await this.#login?.token(), until);
      }
    });
  }

  /** Whether a new token may help. The server did nothing then. */
  #isOfToken(error: unknown, token: string | undefined): boolean {
    if (token === undefined || !(error instanceof EtcdRefusal)) return false;
    const { status, details } = error;
    if (status !== STATUS.unauthenticated && !details.includes("auth store is old")) return false;
    this.#login?.forget(token);
    return true;
  }

  async #sent(method: string, message: Uint8Array, token: string | undefined, until: number): Promise<Uint8Array> {
    const isInTime = (): boolean => systemClock.monotonic() < until;
    for (let tries = 1; ; tries += 1) {
      if (this.#closed.signal.aborted) throw new ClientClosed("the client is closed");
      const channel = await this.#connections.ready(isInTime);
      const left = until - systemClock.monotonic();
      if (left <= 0) throw new NotReached("no connection in time");
      try {
        return await channel.call(method, message, token === undefined ? {} : { token }, left);
      } catch (error) {
        if (isAway(error)) this.#connections.avoid(channel);
        if (!(error instanceof NotReached) || tries > this.#connections.count) throw error;
      }
    }
  }
}

const isNotFound = (error: unknown): boolean => error instanceof EtcdRefusal && error.status === STATUS.notFound;

/** Of this endpoint. Another one may do. */
function isAway(error: unknown): boolean {
  if (error instanceof EtcdRefusal)
    return error.status === STATUS.unavailable || error.status === STATUS.deadlineExceeded;
  return error instanceof NoAnswer || error instanceof NotReached;
}

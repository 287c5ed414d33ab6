/**
 * A TCP proxy that lives in the test's own process and breaks connections in the ways that networks and servers do.
 *
 * A stream with a gap cannot go on: from a connection that has lost a byte nothing is forwarded any more, in that direction,
 * whatever is set later. `cut` ends it.
 */
import { createServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";
import type { LostAnswer } from "./lost-answer.ts";
import { ProxiedConnection } from "./proxied-connection.ts";
import type { Address, Fault } from "./proxied-connection.ts";

const HOST = "127.0.0.1";

export type ProxyCounts = Readonly<{
  /** Connections of which the client's or the server's side is open now. */
  open: number;
  /** Connections of clients since the start. */
  accepted: number;
  /** Bytes that were sent on to the server, to clients, and that were dropped in either direction. */
  toServer: number;
  toClient: number;
  dropped: number;
}>;

export async function startTcpProxy(target: Address): Promise<TcpProxy> {
  const proxy = new TcpProxy(target);
  await proxy.pass();
  return proxy;
}

export class TcpProxy implements AsyncDisposable {
  readonly host = HOST;
  readonly #target: Address;
  readonly #connections = new Set<ProxiedConnection>();
  readonly #closed = { toServer: 0, toClient: 0, dropped: 0 };
  #server: Server | undefined;
  #port = 0;
  #accepted = 0;
  #fault: Fault = { kind: "pass" };
  #lost: LostAnswer | undefined;

  constructor(target: Address) {
    this.#target = target;
  }

  get port(): number {
    return this.#port;
  }

  get counts(): ProxyCounts {
    const sum = { ...this.#closed };
    for (const { counts } of this.#connections) add(sum, counts);
    return { open: this.#connections.size, accepted: this.#accepted, ...sum };
  }

  /** No faults, for new connections and for those that have lost nothing. */
  async pass(): Promise<void> {
    this.#set({ kind: "pass" });
    await this.#listen();
  }

  /** Ends all connections that are open now: with RST, as after a crash, or with FIN, as in good order. New ones are not affected. */
  cut(how: "reset" | "end"): void {
    for (const connection of this.#connections) connection.cut(how);
  }

  /** Nothing gets through in either direction and nobody is told; new connections are accepted and get no answer. */
  halfOpen(): void {
    this.#set({ kind: "half-open" });
  }

  /**
   * Requests get through and take effect; of their answers only the next `after` bytes of each connection do. New connections
   * are treated the same.
   */
  dropResponses({ after = 0 }: Readonly<{ after?: number }> = {}): void {
    this.#set({ kind: "drop-responses", after });
  }

  /**
   * The request gets through and takes effect; when its answer comes its connection ends without it. One of these can be given to many
   * proxies: it is lost once.
   */
  loseAnswer(lost: LostAnswer): void {
    this.#lost = lost;
    for (const connection of this.#connections) connection.lose(lost);
  }

  /** `latency`: milliseconds in each direction. `bytesPerSecond`: of each connection and direction. */
  slow({ latency = 0, bytesPerSecond = Infinity }: Readonly<{ latency?: number; bytesPerSecond?: number }>): void {
    this.#set({ kind: "slow", latency, bytesPerSecond });
  }

  /** New connections are refused, until `pass`. The open ones go on. */
  async refuse(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    // Its callback waits for the connections to end.
    server?.close();
    await new Promise<void>((resolve) => setImmediate(resolve));
  }

  async close(): Promise<void> {
    await this.refuse();
    for (const connection of this.#connections) connection.destroy();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #set(fault: Fault): void {
    this.#fault = fault;
    for (const connection of this.#connections) connection.set(fault);
  }

  async #listen(): Promise<void> {
    if (this.#server) return;
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => this.#accept(client));
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(this.#port, HOST, resolve);
    });
    this.#port = (server.address() as AddressInfo).port;
  }

  #accept(client: Socket): void {
    this.#accepted += 1;
    const connection = new ProxiedConnection(client, this.#target, this.#fault, () => {
      this.#connections.delete(connection);
      add(this.#closed, connection.counts);
    });
    connection.lose(this.#lost);
    this.#connections.add(connection);
  }
}

type Bytes = { toServer: number; toClient: number; dropped: number };

function add(sum: Bytes, more: Readonly<Bytes>): void {
  sum.toServer += more.toServer;
  sum.toClient += more.toClient;
  sum.dropped += more.dropped;
}

import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { coordinationScripts } from "../../../src/drivers/redis/coordination-scripts.ts";

/** Finds the requests in what a client sends: gives the names of those that are whole, and the bytes that are left. */
export type Requests = (sent: Buffer, isFirst: boolean) => Readonly<{ names: readonly string[]; rest: Buffer }>;

/** Of requests. */
export type Counts = Readonly<{ total(...without: readonly string[]): number }>;

/** Heartbeats and the look of every second, which come whether anybody releases or not. */
export const STEADY: readonly string[] = ["renewSession", "look", "greeting", "renewal", "ping"];

/** Resolves when nobody has asked for anything for so long. */
export async function quiet(counts: Counts, forMs = 300): Promise<void> {
  for (let before = -1; before !== counts.total(...STEADY);) {
    before = counts.total(...STEADY);
    await new Promise((resolve) => setTimeout(resolve, forMs));
  }
}

/** Stands before a server and counts the requests that reach it, by their names. */
export class CountingProxy implements AsyncDisposable {
  readonly counts = new Map<string, number>();
  readonly #server;
  readonly #sockets = new Set<Socket>();

  private constructor(target: Readonly<{ host: string; port: number }>, requests: Requests) {
    this.#server = createServer((client) => this.#serve(client, connect({ ...target, noDelay: true }), requests));
  }

  static async start(target: Readonly<{ host: string; port: number }>, requests: Requests): Promise<CountingProxy> {
    const proxy = new CountingProxy(target, requests);
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Of those whose name does not matter here. */
  total(...without: readonly string[]): number {
    return [...this.counts].reduce((sum, [name, count]) => (without.includes(name) ? sum : sum + count), 0);
  }

  #serve(client: Socket, server: Socket, requests: Requests): void {
    client.setNoDelay(true);
    let pending: Buffer = Buffer.alloc(0);
    let isFirst = true;
    client.on("data", (chunk: Buffer) => {
      const { names, rest } = requests(Buffer.concat([pending, chunk]), isFirst);
      isFirst &&= rest.length === pending.length + chunk.length;
      pending = rest;
      for (const name of names) this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
      server.write(chunk);
    });
    server.on("data", (chunk: Buffer) => void client.write(chunk));
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => {
        this.#sockets.delete(socket);
        client.destroy();
        server.destroy();
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await once(this.#server, "close");
  }
}

/** PostgreSQL: each ends with Sync or is a simple query; its name is that of the statement which is bound. */
export const postgresRequests: Requests = (sent, isFirst) => {
  const names: string[] = [];
  let at = 0;
  let name = "";
  let end = 0;
  // The first message has no type.
  if (isFirst && sent.length >= 4 && sent.length >= sent.readInt32BE(0)) at = end = sent.readInt32BE(0);
  while (at + 5 <= sent.length && at + 1 + sent.readInt32BE(at + 1) <= sent.length) {
    const type = String.fromCharCode(sent[at] ?? 0);
    const body = sent.subarray(at + 5, at + 1 + sent.readInt32BE(at + 1));
    at += 5 + body.length;
    // Bind: portal, statement.
    if (type === "B") name = body.toString("latin1").split("\0")[1] ?? "";
    if (type !== "S" && type !== "Q") continue;
    names.push(/^jobferry_c_([A-Za-z]+)/.exec(name)?.[1] ?? "other");
    end = at;
  }
  return { names, rest: sent.subarray(end) };
};

const HTTP2_GREETING = 24;
const HTTP2_HEAD = 9;
const GRPC_HEAD = 5;

/** etcd: each is a message of gRPC, which all fit into one frame of HTTP/2 here. One that holds nothing but the number of a lease renews or ends it. */
export const etcdRequests: Requests = (sent, isFirst) => {
  const names: string[] = [];
  let at = isFirst ? HTTP2_GREETING : 0;
  if (sent.length < at) return { names, rest: sent };
  while (at + HTTP2_HEAD <= sent.length && at + HTTP2_HEAD + sent.readUIntBE(at, 3) <= sent.length) {
    const body = sent.subarray(at + HTTP2_HEAD, at + HTTP2_HEAD + sent.readUIntBE(at, 3));
    const isData = sent[at + 3] === 0;
    at += HTTP2_HEAD + body.length;
    if (!isData || body.length <= GRPC_HEAD) continue;
    names.push(body[GRPC_HEAD] === 8 ? "renewSession" : "other");
  }
  return { names, rest: sent.subarray(at) };
};

/** Their names by the numbers under which they are called. */
export const redisScripts: ReadonlyMap<string, string> = new Map(
  Object.entries(coordinationScripts).map(([name, { sha }]) => [sha, name]),
);

/** Redis: each is an array of strings; a script's name is its number. */
export const redisRequests =
  (scripts: ReadonlyMap<string, string>): Requests =>
  (sent) => {
    const names: string[] = [];
    let end = 0;
    for (;;) {
      const command = commandAt(sent, end);
      if (command === undefined) return { names, rest: sent.subarray(end) };
      names.push(scripts.get(command.words[1] ?? "") ?? command.words[0]?.toLowerCase() ?? "other");
      end = command.end;
    }
  };

/** ZooKeeper: each has its length in front, then a number and what it wants. The first greets. */
export const zookeeperRequests: Requests = (sent, isFirst) => {
  const names: string[] = [];
  let at = 0;
  for (let length = 0; at + 4 <= sent.length; at += 4 + length) {
    length = sent.readInt32BE(at);
    if (at + 4 + length > sent.length) break;
    names.push(isFirst && at === 0 ? "greeting" : zookeeperName(sent.subarray(at + 4, at + 4 + length)));
  }
  return { names, rest: sent.subarray(at) };
};

function zookeeperName(request: Buffer): string {
  const opcode = request.readInt32BE(4);
  if (opcode === 11) return "ping";
  // A transaction that only checks the node of a session.
  const isRenewal = opcode === 14 && request.readInt32BE(8) === 13 && request.length < 150 && request.includes("/s/");
  return isRenewal ? "renewal" : String(opcode);
}

function commandAt(sent: Buffer, start: number): Readonly<{ words: readonly string[]; end: number }> | undefined {
  const line = (at: number): Readonly<{ number: number; next: number }> | undefined => {
    const over = sent.indexOf("\r\n", at);
    return over < 0 ? undefined : { number: Number(sent.toString("latin1", at + 1, over)), next: over + 2 };
  };
  const head = line(start);
  if (head === undefined) return undefined;
  const words: string[] = [];
  let at = head.next;
  for (let n = 0; n < head.number; n += 1) {
    const size = line(at);
    if (size === undefined || size.next + size.number + 2 > sent.length) return undefined;
    words.push(sent.toString("latin1", size.next, size.next + Math.min(size.number, 40)));
    at = size.next + size.number + 2;
  }
  return { words, end: at };
}

/** Clients of Redis for the suites, each with lines of its own to every node, which can be cut and can lose an answer. */
import { Cluster, Redis } from "ioredis";
import { createClient, createCluster, createSentinel } from "redis";
import type { RedisDriverOptions } from "../../src/drivers/redis/index.ts";
import type { Script } from "../../src/drivers/redis/script.ts";
import type { ServerAddress } from "../../scripts/servers/server.ts";
import { LostAnswer } from "../faults/lost-answer.ts";
import { startTcpProxy, type TcpProxy } from "../faults/tcp-proxy.ts";

type Address = Readonly<{ host: string; port: number }>;
/** Where a client finds each node: the address that the servers tell, and the one that leads there for this client. */
type Lines = ReadonlyMap<string, Address>;
export type Client = Readonly<{ options: RedisDriverOptions; end?: () => void }>;
export type Connect = (server: ServerAddress, lines: Lines) => Client;

/** A client and its lines. */
export class LinedClient {
  readonly options: RedisDriverOptions;
  readonly #client: Client;
  readonly #proxies: readonly TcpProxy[];

  private constructor(client: Client, proxies: readonly TcpProxy[]) {
    this.options = client.options;
    this.#client = client;
    this.#proxies = proxies;
  }

  static async open(server: ServerAddress, connect: Connect): Promise<LinedClient> {
    const nodes = nodesOf(server);
    const proxies = await Promise.all(nodes.map(startTcpProxy));
    const lines = proxies.map(({ host, port }, index) => [keyOf(nodes[index]), { host, port }] as const);
    return new LinedClient(connect(server, new Map(lines)), proxies);
  }

  /** Cuts it off, until what it gives is called. */
  cutOff(): () => Promise<void> {
    for (const proxy of this.#proxies) proxy.halfOpen();
    return async () => {
      // A stream with a gap cannot go on.
      for (const proxy of this.#proxies) proxy.cut("reset");
      await Promise.all(this.#proxies.map((proxy) => proxy.pass()));
    };
  }

  /** Of the next call of one of these scripts, whether the server knows it already or is told it. */
  loseAnswer(scripts: readonly Script[], how: "reset" | "end"): void {
    const requests = scripts.flatMap(({ sha, text }) => [sha, text.slice(-200)]);
    const lost = new LostAnswer({ requests, passes: /^-/, how });
    for (const proxy of this.#proxies) proxy.loseAnswer(lost);
  }

  /** As the death of its process does. */
  async die(): Promise<void> {
    await Promise.all(this.#proxies.map((proxy) => proxy.close()));
  }

  async end(): Promise<void> {
    this.#client.end?.();
    await this.die();
  }
}

function nodesOf({ host, port, endpoints }: ServerAddress): readonly Address[] {
  const named = Object.values(endpoints).map((text) => {
    const [at = host, number] = text.split(":");
    return { host: at, port: Number(number) };
  });
  return named.length > 0 ? named : [{ host, port }];
}

const keyOf = (address: Address | undefined): string => `${address?.host}:${address?.port}`;

const lineTo = (lines: Lines, address: Address): Address => lines.get(keyOf(address)) ?? address;

const natMapOf = (lines: Lines): Readonly<Record<string, Address>> => Object.fromEntries(lines);

/** An object for each question: node-redis writes into them, see src/drivers/redis/clients/node-addresses.ts. */
const nodeAddressMapOf =
  (lines: Lines) =>
  (address: string): Address | undefined => {
    const line = lines.get(address);
    return line && { ...line };
  };

/** A client that the driver makes and closes itself. Not of ioredis on a Cluster: there its nodes cannot be given other addresses. */
export const byUrl =
  (library: "ioredis" | "redis"): Connect =>
  ({ url }, lines) => {
    const lined = url.replaceAll(/[\w.-]+:\d+/g, (address) => keyOf(lines.get(address)));
    const clientOptions =
      library === "ioredis" ? { natMap: natMapOf(lines) } : { nodeAddressMap: nodeAddressMapOf(lines) };
    return { options: { url: lined, library, clientOptions } };
  };

/** As a program makes it: it sends again what was under way when it lost its connection. */
export const handedIn: Connect = (server, lines) => {
  const client = new Redis({ ...lineTo(lines, server), lazyConnect: true, retryStrategy: () => 50 });
  return { options: { client }, end: () => client.disconnect() };
};

export const handedInRedis: Connect = (server, lines) => {
  const client = createClient({ socket: lineTo(lines, server) });
  client.on("error", () => undefined);
  return { options: { client }, end: () => void (client.isOpen && client.destroy()) };
};

export const bySentinel: Connect = ({ url }, lines) => {
  const sentinels = hostsIn(url).map((address) => lineTo(lines, address));
  const client = new Redis({ sentinels: [...sentinels], name: "mymaster", natMap: natMapOf(lines), lazyConnect: true });
  return { options: { client, replicas: 1 }, end: () => client.disconnect() };
};

export const byCluster: Connect = ({ url }, lines) => {
  const nodes = hostsIn(url).map((address) => lineTo(lines, address));
  const client = new Cluster([...nodes], { natMap: natMapOf(lines), lazyConnect: true, slotsRefreshTimeout: 2_000 });
  client.on("error", () => undefined);
  return { options: { client }, end: () => client.disconnect() };
};

/** node-redis queues what it cannot send unless it is told not to. */
const AT_ONCE = { disableOfflineQueue: true } as const;

export const bySentinelRedis: Connect = ({ url }, lines) => {
  const sentinelRootNodes = hostsIn(url).map((address) => lineTo(lines, address));
  const client = createSentinel({
    name: "mymaster",
    sentinelRootNodes,
    nodeClientOptions: AT_ONCE,
    nodeAddressMap: nodeAddressMapOf(lines),
  });
  client.on("error", () => undefined);
  return { options: { client }, end: () => void (client.isOpen && client.destroy()) };
};

export const byClusterRedis: Connect = ({ url }, lines) => {
  const rootNodes = hostsIn(url).map((address) => ({ socket: { ...lineTo(lines, address) } }));
  const client = createCluster({ rootNodes, defaults: AT_ONCE, nodeAddressMap: nodeAddressMapOf(lines) });
  client.on("error", () => undefined);
  return { options: { client, replicas: 1 }, end: () => void (client.isOpen && client.destroy()) };
};

function hostsIn(url: string): readonly Address[] {
  const [, hosts = ""] = /^[a-z+]+:\/\/([^/?]+)/.exec(url) ?? [];
  return hosts.split(",").map((text) => {
    const [host = "", port] = text.split(":");
    return { host, port: Number(port) };
  });
}

/** Redis as a target of the coordination suite: a prefix for each case, and for each client lines of its own to every node, which can be cut. One client of each kind of group waits for a replica. */
import { randomUUID } from "node:crypto";
import { Cluster, Redis } from "ioredis";
import { createCluster, createSentinel } from "redis";
import type { CoordinationStore } from "../../../src/contract/index.ts";
import { redisCoordinationStore, type RedisDriverOptions } from "../../../src/drivers/redis/index.ts";
import type { ServerAddress } from "../../../scripts/servers/server.ts";
import type { CoordinationTarget } from "../../../src/testing/conformance/coordination/index.ts";
import { startTcpProxy, type TcpProxy } from "../../faults/tcp-proxy.ts";

type Address = Readonly<{ host: string; port: number }>;
/** Where a client finds each node: the address that the servers tell, and the one that leads there for this client. */
type Lines = ReadonlyMap<string, Address>;
type Client = Readonly<{ options: RedisDriverOptions; end?: () => void; loseNext?: () => void }>;
export type Connect = (server: ServerAddress, lines: Lines) => Client;

const TIMES = { commandTimeout: "3s", connectTimeout: "20s" } as const;

export function redisCoordinationTarget(server: ServerAddress, connect: Connect, canLose = false): CoordinationTarget {
  const clients = new Map<CoordinationStore, Readonly<{ client: Client; proxies: readonly TcpProxy[] }>>();
  const made: CoordinationStore[] = [];
  let prefix = "";
  const make = async (): Promise<CoordinationStore> => {
    const nodes = nodesOf(server);
    const proxies = await Promise.all(nodes.map(startTcpProxy));
    const lines = new Map(
      proxies.map(({ host, port }, index) => [`${nodes[index]?.host}:${nodes[index]?.port}`, { host, port }]),
    );
    const client = connect(server, lines);
    const store = redisCoordinationStore({ ...TIMES, ...client.options, prefix });
    clients.set(store, { client, proxies });
    made.push(store);
    return store;
  };
  return {
    open: () => {
      prefix = `test:${randomUUID()}`;
      return make();
    },
    reopen: make,
    partition: (store) => {
      const { proxies = [] } = clients.get(store) ?? {};
      for (const proxy of proxies) proxy.halfOpen();
      return async () => {
        // A stream with a gap cannot go on.
        for (const proxy of proxies) proxy.cut("reset");
        await Promise.all(proxies.map((proxy) => proxy.pass()));
      };
    },
    crash: async (store) => {
      await Promise.all((clients.get(store)?.proxies ?? []).map((proxy) => proxy.close()));
    },
    ...(canLose ? { loseAnswer: (store: CoordinationStore) => clients.get(store)?.client.loseNext?.() } : {}),
    cleanup: async () => {
      await Promise.all(made.splice(0).map((store) => store.close()));
      for (const { client, proxies } of clients.values()) {
        client.end?.();
        await Promise.all(proxies.map((proxy) => proxy.close()));
      }
      clients.clear();
    },
  };
}

function nodesOf({ host, port, endpoints }: ServerAddress): readonly Address[] {
  const named = Object.values(endpoints).map((text) => {
    const [at = host, number] = text.split(":");
    return { host: at, port: Number(number) };
  });
  return named.length > 0 ? named : [{ host, port }];
}

const lineTo = (lines: Lines, { host, port }: Address): Address => lines.get(`${host}:${port}`) ?? { host, port };

export const byUrl =
  (library: "ioredis" | "redis"): Connect =>
  (server, lines) => {
    const { host, port } = lineTo(lines, server);
    return { options: { url: `redis://${host}:${port}`, library } };
  };

/** ioredis of which the next script's answer can be lost on its way. */
export const losing: Connect = (server, lines) => {
  const client = new Redis({ ...lineTo(lines, server), lazyConnect: true, retryStrategy: () => 50 });
  const callBuffer = client.callBuffer.bind(client) as (...args: unknown[]) => Promise<unknown>;
  let isLosing = false;
  Object.assign(client, {
    callBuffer: async (...args: unknown[]) => {
      const reply = await callBuffer(...args);
      if (!isLosing || !String(args[0]).startsWith("EVAL")) return reply;
      isLosing = false;
      throw new Error("Connection is closed.");
    },
  });
  return { options: { client }, end: () => client.disconnect(), loseNext: () => void (isLosing = true) };
};

const natMapOf = (lines: Lines): Readonly<Record<string, Address>> => Object.fromEntries(lines);

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
    nodeAddressMap: natMapOf(lines),
  });
  return { options: { client }, end: () => void (client.isOpen && client.destroy()) };
};

export const byClusterRedis: Connect = ({ url }, lines) => {
  const rootNodes = hostsIn(url).map((address) => ({ socket: { ...lineTo(lines, address) } }));
  // An object for each question: node-redis writes into them, see src/drivers/redis/clients/node-addresses.ts.
  const nodeAddressMap = (address: string): Address | undefined => {
    const line = lines.get(address);
    return line && { ...line };
  };
  const client = createCluster({ rootNodes, defaults: AT_ONCE, nodeAddressMap });
  return { options: { client, replicas: 1 }, end: () => void (client.isOpen && client.destroy()) };
};

function hostsIn(url: string): readonly Address[] {
  const [, hosts = ""] = /^[a-z+]+:\/\/([^/?]+)/.exec(url) ?? [];
  return hosts.split(",").map((text) => {
    const [host = "", port] = text.split(":");
    return { host, port: Number(port) };
  });
}

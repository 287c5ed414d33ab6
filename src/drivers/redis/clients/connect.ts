import { JobferryError, UnsupportedError } from "../../../errors/index.ts";
import type { Address, Node } from "../address.ts";
import type { Settings } from "../options.ts";
import { isIoredis } from "./client-types.ts";
import type { IoredisClient, NodeRedisClient } from "./client-types.ts";
import type { RedisConnection } from "./connection.ts";
import { IOREDIS_CLUSTER_SETTINGS, IOREDIS_SENTINEL_SETTINGS, IOREDIS_SETTINGS, IoredisConnection } from "./ioredis.ts";
import { unshared } from "./node-addresses.ts";
import {
  NODE_REDIS_SENTINEL_SETTINGS,
  NODE_REDIS_SETTINGS,
  NodeRedisConnection,
  reconnectAfter,
  SENTINEL_SETTINGS,
  SENTINEL_SILENCE_MS,
} from "./node-redis.ts";

/** The first releases of ioredis 5 have no export named Redis. */
type Ioredis = Readonly<{
  default: new (options: object) => IoredisClient;
  Cluster: new (nodes: readonly Node[], options: object) => IoredisClient;
}>;
type NodeRedis = Readonly<
  Record<"createClient" | "createCluster" | "createSentinel", (options: object) => NodeRedisClient>
>;

/** A connection, not opened yet. The library is loaded only when a URL was given. @throws CLIENT_MISSING */
export async function connectionFor(settings: Settings): Promise<RedisConnection> {
  const { target, library, clientOptions, connectMs } = settings;
  if ("client" in target) {
    const { client } = target;
    return isIoredis(client) ? new IoredisConnection(client, false) : new NodeRedisConnection(client, false);
  }
  const { address } = target;
  const ioredis = library === "redis" ? undefined : await load<Ioredis>(() => import("ioredis"));
  if (ioredis !== undefined)
    return new IoredisConnection(ioredisClient(ioredis, address, clientOptions, connectMs), true);
  const redis = library === "ioredis" ? undefined : await load<NodeRedis>(() => import("redis"));
  if (redis !== undefined) {
    const client = nodeRedisClient(redis, address, clientOptions, connectMs);
    if (typeof client.duplicate === "function") return new NodeRedisConnection(client, true);
    throw new UnsupportedError(
      "Sentinel",
      "This release of redis cannot duplicate a client of Sentinel, and waiting needs a connection of its own. Run: npm install redis@latest, or use ioredis.",
    );
  }
  throw new JobferryError(
    "CLIENT_MISSING",
    `A Redis queue by URL needs a client library. Run: npm install ${library ?? "ioredis"}`,
  );
}

async function load<T>(importIt: () => Promise<unknown>): Promise<T | undefined> {
  try {
    return (await importIt()) as T;
  } catch (error) {
    const isMissing = error instanceof Error && "code" in error && error.code === "ERR_MODULE_NOT_FOUND";
    if (isMissing) return undefined;
    throw error;
  }
}

function defined<T extends object>(fields: T): Partial<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Partial<T>;
}

function ioredisClient(
  { default: Redis, Cluster }: Ioredis,
  address: Address,
  own: object,
  connectMs: number,
): IoredisClient {
  const { kind, nodes, primary, username, password, database, tls } = address;
  const login = defined({ username, password, tls: tls ? {} : undefined });
  const common = { ...IOREDIS_SETTINGS, connectTimeout: connectMs, ...login };
  if (kind === "cluster") {
    const { lazyConnect: _, enableOfflineQueue: __, retryStrategy: ___, ...redisOptions } = common;
    return new Cluster(nodes, { ...IOREDIS_CLUSTER_SETTINGS, redisOptions: { ...redisOptions, ...own } });
  }
  if (kind === "single") return new Redis({ ...common, ...nodes[0], db: database, ...own });
  // What trusts the servers trusts the sentinels too.
  const { tls: ownTls = {} } = own as Readonly<{ tls?: object }>;
  const sentinel = {
    ...IOREDIS_SENTINEL_SETTINGS,
    sentinels: nodes,
    name: primary,
    ...(tls ? { enableTLSForSentinelMode: true, sentinelTLS: ownTls } : {}),
  };
  return new Redis({
    ...common,
    ...sentinel,
    db: database,
    sentinelRetryStrategy: IOREDIS_SETTINGS.retryStrategy,
    ...own,
  });
}

function nodeRedisClient(redis: NodeRedis, address: Address, own: object, connectMs: number): NodeRedisClient {
  const { kind, nodes, primary, username, password, database, tls } = address;
  const { socket: ownSocket, ...ownOptions } = own as Readonly<{ socket?: object }>;
  const tlsSocket = tls ? { tls: true } : {};
  const connecting = { ...tlsSocket, connectTimeout: connectMs, ...ownSocket };
  const socket = { reconnectStrategy: reconnectAfter, ...connecting };
  const common = { ...NODE_REDIS_SETTINGS, ...defined({ username, password }) };
  switch (kind) {
    case "single":
      return redis.createClient({ ...common, database, socket: { ...nodes[0], ...socket }, ...ownOptions });
    case "cluster":
      return redis.createCluster({
        rootNodes: nodes.map((node) => ({ socket: { ...connecting, ...node } })),
        defaults: { ...common, socket },
        ...ownOptions,
        ...unshared(ownOptions),
      });
    case "sentinel":
      return redis.createSentinel({
        name: primary,
        sentinelRootNodes: nodes,
        nodeClientOptions: { ...common, database, socket },
        sentinelClientOptions: { ...SENTINEL_SETTINGS, socket: { socketTimeout: SENTINEL_SILENCE_MS, ...connecting } },
        ...NODE_REDIS_SENTINEL_SETTINGS,
        ...ownOptions,
      });
  }
}

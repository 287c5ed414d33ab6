import { Cluster, CLUSTER_OPTIONS, type ClusterOptions } from "../cluster/index.ts";
import { Queue, QUEUE_OPTIONS, type QueueOptions } from "../core/index.ts";
import {
  type RedisClient,
  redisCoordinationStore,
  redisDriver,
  type RedisDriverOptions,
} from "../drivers/redis/index.ts";
import { invalidArgument, JobferryError } from "../errors/index.ts";
import { checkInteger, checkOptions, given } from "../runtime/index.ts";

export type { IoredisClient, NodeRedisClient, RedisClient } from "../drivers/redis/index.ts";

/** `durability` is the least that a resolved push must survive; "power" also makes pushes wait for the server's disk where it would not by itself. */
export type RedisQueueOptions = QueueOptions & Omit<RedisDriverOptions, "url" | "client" | "durability" | "time">;

const DRIVER_OPTIONS = [
  "library",
  "clientOptions",
  "prefix",
  "partitions",
  "replicas",
  "commandTimeout",
  "connectTimeout",
] as const;

/**
 * A queue on Redis (6.2 or newer) or Valkey: one server, a set behind Sentinel, or a Cluster.
 * @param target a URL (`redis://`, `rediss://`, `redis+sentinel://`, `redis+cluster://`), or your own client of ioredis or redis, which stays open.
 */
export function redisQueue(target: string | RedisClient, options: RedisQueueOptions = {}): Queue {
  checkOptions("redisQueue", options, [...QUEUE_OPTIONS, ...DRIVER_OPTIONS]);
  const { durability } = options;
  if (durability === "quorum")
    throw invalidArgument("durability", durability, 'at most "power": Redis replicates without a quorum');
  const own = Object.fromEntries(
    DRIVER_OPTIONS.flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]]])),
  );
  const rest = Object.fromEntries(
    Object.entries(options).filter(([name]) => QUEUE_OPTIONS.includes(name)),
  ) as QueueOptions;
  const driver = redisDriver({
    ...(typeof target === "string" ? { url: target } : { client: target }),
    ...own,
    ...(durability === "power" ? { durability } : {}),
  });
  return new Queue(driver, rest);
}

export type RedisClusterOptions = ClusterOptions &
  Pick<RedisDriverOptions, "library" | "clientOptions" | "prefix" | "replicas" | "commandTimeout" | "connectTimeout"> &
  Readonly<{
    /** `host:port` of one server. Either this, `url` or `client`. */
    addr?: string;
    /** `redis://`, `rediss://`, `redis+sentinel://` or `redis+cluster://`, with its login. */
    url?: string;
    /** Your own client of ioredis or redis. It stays yours: `stop()` leaves it open. */
    client?: RedisClient;
    /** Beside `addr`. */
    username?: string;
    password?: string;
    /** The number of the database, beside `addr`. Default 0. */
    db?: number;
  }>;

const STORE_OPTIONS = ["library", "clientOptions", "prefix", "replicas", "commandTimeout", "connectTimeout"] as const;
const PLACE_OPTIONS = ["addr", "url", "client", "username", "password", "db"] as const;
const ADDRESS = /^(\[[0-9a-fA-F:.]+\]|[^\s:/?#@,[\]]+)(:\d{1,5})?$/;
/** A call that takes longer than a session lives is of no use. */
const CALL_TIMEOUT = "3s";

/**
 * A node of a cluster of any number of processes that share a Redis or Valkey server: alone, behind Sentinel, or a Redis Cluster. Jobs of a
 * DistributedQueue lie there too, unless it is given another queue. A fail-over of the store can let two nodes hold one lock, with rising
 * tokens, unless `replicas` is the number of replicas that may take over: see docs/guides/locks-and-fencing.md.
 */
export function redisCluster(options: RedisClusterOptions): Cluster {
  checkOptions("redisCluster", options ?? null, [...CLUSTER_OPTIONS, ...STORE_OPTIONS, ...PLACE_OPTIONS]);
  const place = { ...placeOf(options), ...given(options, STORE_OPTIONS) };
  const store = redisCoordinationStore({ commandTimeout: CALL_TIMEOUT, ...place });
  const jobs = (): Readonly<{ queue: Queue; isShared: boolean }> => {
    const queue = new Queue(redisDriver(place), given(options, ["clock", "logger"]));
    return { queue, isShared: false };
  };
  return new Cluster(store, given(options, CLUSTER_OPTIONS) as ClusterOptions, jobs);
}

function placeOf({
  addr,
  url,
  client,
  username,
  password,
  db,
}: RedisClusterOptions): Pick<RedisDriverOptions, "url" | "client"> {
  if ([addr, url, client].filter((one) => one !== undefined).length !== 1)
    throw new JobferryError("INVALID_ARGUMENT", "redisCluster wants one of addr, url and client.");
  if (addr === undefined) {
    if (username !== undefined || password !== undefined || db !== undefined)
      throw new JobferryError(
        "INVALID_ARGUMENT",
        "username, password and db stand beside addr. Write them into the url, or give them to the client.",
      );
    return url === undefined ? { ...(client === undefined ? {} : { client }) } : { url };
  }
  // Its value is not repeated: somebody may have put a login into it.
  if (typeof addr !== "string" || !ADDRESS.test(addr))
    throw new JobferryError(
      "INVALID_ARGUMENT",
      "addr must be host:port of one server. Sentinel, Cluster and TLS want a url.",
    );
  for (const [name, value] of Object.entries({ username, password })) {
    if (value !== undefined && typeof value !== "string")
      throw new JobferryError("INVALID_ARGUMENT", `${name} must be text.`);
  }
  if (username !== undefined && password === undefined)
    throw new JobferryError("INVALID_ARGUMENT", "A username needs a password.");
  const database = checkInteger("db", db ?? 0, 0, 99_999);
  const login = password === undefined ? "" : `${encodeURIComponent(username ?? "")}:${encodeURIComponent(password)}@`;
  return { url: `redis://${login}${addr}/${database}` };
}

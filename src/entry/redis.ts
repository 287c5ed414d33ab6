import { Queue, QUEUE_OPTIONS, type QueueOptions } from "../core/index.ts";
import { type RedisClient, redisDriver, type RedisDriverOptions } from "../drivers/redis/index.ts";
import { invalidArgument } from "../errors/index.ts";
import { checkOptions } from "../runtime/index.ts";

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

// The structural types of clients hold for the oldest and the newest release that is supported of both libraries.
import * as ioredis from "ioredis";
import * as ioredisOldest from "ioredis-oldest";
import * as redis from "redis";
import * as redisOldest from "redis-oldest";
import { type RedisClient, redisQueue } from "jobferry/redis";

const clients: readonly RedisClient[] = [
  new ioredis.Redis(),
  new ioredis.Cluster([]),
  new ioredisOldest.default.default(),
  new ioredisOldest.Cluster([]),
  redis.createClient(),
  redis.createCluster({ rootNodes: [] }),
  redis.createSentinel({ name: "primary", sentinelRootNodes: [] }),
  redisOldest.createClient(),
  redisOldest.createCluster({ rootNodes: [] }),
];

redisQueue(clients[0] ?? "redis://localhost");
redisQueue(redis.createClient());
redisQueue(new ioredis.Redis(), { partitions: 2 });
// @ts-expect-error something else is no client
redisQueue({ get: () => undefined });
// @ts-expect-error it is made already
redisQueue("redis://localhost", { url: "redis://other" });

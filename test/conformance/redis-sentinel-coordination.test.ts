import { sharedServer } from "../servers/shared-server.ts";
import { bySentinel, bySentinelRedis, redisCoordinationTarget } from "./coordination/redis-lines.ts";
import { runCoordination } from "./coordination/run-coordination.ts";

const server = await sharedServer("redis-sentinel");
if (server) {
  await runCoordination("redis-sentinel, coordination, ioredis", redisCoordinationTarget(server, bySentinel));
  await runCoordination("redis-sentinel, coordination, node-redis", redisCoordinationTarget(server, bySentinelRedis));
}

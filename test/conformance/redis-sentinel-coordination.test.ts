import { sharedServer } from "../servers/shared-server.ts";
import { redisCoordinationTarget } from "./coordination/redis-target.ts";
import { runCoordination } from "./coordination/run-coordination.ts";
import { bySentinel, bySentinelRedis } from "./redis-lines.ts";

const server = await sharedServer("redis-sentinel");
if (server) {
  await runCoordination("redis-sentinel, coordination, ioredis", redisCoordinationTarget(server, bySentinel));
  await runCoordination("redis-sentinel, coordination, node-redis", redisCoordinationTarget(server, bySentinelRedis));
}

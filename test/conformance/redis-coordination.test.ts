import { sharedServer } from "../servers/shared-server.ts";
import { byUrl, losing, redisCoordinationTarget } from "./coordination/redis-lines.ts";
import { runCoordination } from "./coordination/run-coordination.ts";

const server = await sharedServer("redis");
if (server) {
  await runCoordination("redis, coordination, ioredis", redisCoordinationTarget(server, losing, true));
  await runCoordination("redis, coordination, ioredis by URL", redisCoordinationTarget(server, byUrl("ioredis")));
  await runCoordination("redis, coordination, node-redis", redisCoordinationTarget(server, byUrl("redis")));
}

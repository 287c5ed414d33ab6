import { sharedServer } from "../servers/shared-server.ts";
import { redisCoordinationTarget } from "./coordination/redis-target.ts";
import { runCoordination } from "./coordination/run-coordination.ts";
import { byUrl, handedIn } from "./redis-lines.ts";

const server = await sharedServer("redis");
if (server) {
  await runCoordination("redis, coordination, ioredis", redisCoordinationTarget(server, handedIn));
  await runCoordination("redis, coordination, ioredis by URL", redisCoordinationTarget(server, byUrl("ioredis")));
  await runCoordination("redis, coordination, node-redis", redisCoordinationTarget(server, byUrl("redis")));
}

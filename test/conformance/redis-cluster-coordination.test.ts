import { sharedServer } from "../servers/shared-server.ts";
import { redisCoordinationTarget } from "./coordination/redis-target.ts";
import { runCoordination } from "./coordination/run-coordination.ts";
import { byCluster, byClusterRedis } from "./redis-lines.ts";

const server = await sharedServer("redis-cluster");
if (server) {
  await runCoordination("redis-cluster, coordination, ioredis", redisCoordinationTarget(server, byCluster, "end"));
  await runCoordination("redis-cluster, coordination, node-redis", redisCoordinationTarget(server, byClusterRedis));
}

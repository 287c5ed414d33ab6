import { sharedServer } from "../servers/shared-server.ts";
import { byCluster, byClusterRedis, redisCoordinationTarget } from "./coordination/redis-lines.ts";
import { runCoordination } from "./coordination/run-coordination.ts";

const server = await sharedServer("redis-cluster");
if (server) {
  await runCoordination("redis-cluster, coordination, ioredis", redisCoordinationTarget(server, byCluster));
  await runCoordination("redis-cluster, coordination, node-redis", redisCoordinationTarget(server, byClusterRedis));
}

import { sharedServer } from "../servers/shared-server.ts";
import { byCluster, byUrl } from "./redis-lines.ts";
import { redisTarget } from "./redis-targets.ts";
import { runSuite } from "./run-suite.ts";

const server = await sharedServer("redis-cluster");
if (server) {
  await runSuite(
    "redis-cluster, ioredis, in the server's time",
    redisTarget(server, byUrl("ioredis"), "real", { losesAnswers: false }),
  );
  await runSuite("redis-cluster, node-redis", redisTarget(server, byUrl("redis"), "virtual"));
  await runSuite(
    "redis-cluster, in three partitions",
    redisTarget(server, byCluster, "virtual", { partitions: 3, how: "end" }),
  );
}

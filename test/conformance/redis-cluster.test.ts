import { sharedServer } from "../servers/shared-server.ts";
import { byUrl, redisTarget } from "./redis-targets.ts";
import { runSuite } from "./run-suite.ts";

const server = await sharedServer("redis-cluster");
if (server) {
  const { url } = server;
  await runSuite(
    "redis-cluster, ioredis, in the server's time",
    redisTarget(() => byUrl(url, "ioredis"), "real"),
  );
  await runSuite(
    "redis-cluster, node-redis",
    redisTarget(() => byUrl(url, "redis"), "virtual"),
  );
  await runSuite(
    "redis-cluster, in three partitions",
    redisTarget(() => byUrl(url, "ioredis"), "virtual", { partitions: 3 }),
  );
}

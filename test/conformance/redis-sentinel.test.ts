import { sharedServer } from "../servers/shared-server.ts";
import { byUrl, redisTarget } from "./redis-targets.ts";
import { runSuite } from "./run-suite.ts";

const server = await sharedServer("redis-sentinel");
if (server) {
  const { url } = server;
  await runSuite(
    "redis-sentinel, ioredis, in the server's time",
    redisTarget(() => byUrl(url, "ioredis"), "real"),
  );
  await runSuite(
    "redis-sentinel, node-redis",
    redisTarget(() => byUrl(url, "redis"), "virtual"),
  );
}

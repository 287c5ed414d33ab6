import { sharedServer } from "../servers/shared-server.ts";
import { byUrl } from "./redis-lines.ts";
import { redisTarget } from "./redis-targets.ts";
import { runSuite } from "./run-suite.ts";

const server = await sharedServer("redis-sentinel");
if (server) {
  await runSuite("redis-sentinel, ioredis, in the server's time", redisTarget(server, byUrl("ioredis"), "real"));
  await runSuite("redis-sentinel, node-redis", redisTarget(server, byUrl("redis"), "virtual"));
}

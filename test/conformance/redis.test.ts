import { afterAll } from "vitest";
import { isServerAvailable, startServer } from "../servers/shared-server.ts";
import { handedIn, handedInRedis } from "./redis-lines.ts";
import { redisTarget } from "./redis-targets.ts";
import { runSuite } from "./run-suite.ts";

if (await isServerAvailable("redis")) {
  const server = await startServer("redis", { durable: true });
  afterAll(() => server.remove());
  await runSuite("redis, ioredis, in the server's time", redisTarget(server, handedIn, "real"));
  await runSuite("redis, node-redis", redisTarget(server, handedInRedis, "virtual"));
  await runSuite("redis, in three partitions", redisTarget(server, handedInRedis, "virtual", { partitions: 3 }));
}

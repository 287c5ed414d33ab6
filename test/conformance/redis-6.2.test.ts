/** The oldest server that is supported: other words where a script fails, and no WAITAOF. */
import { afterAll } from "vitest";
import { isServerAvailable, startServer } from "../servers/shared-server.ts";
import { losingIoredis, nodeRedis, redisTarget } from "./redis-targets.ts";
import { runSuite } from "./run-suite.ts";

if (await isServerAvailable("redis-6.2")) {
  const server = await startServer("redis-6.2", { durable: true });
  afterAll(() => server.remove());
  const { url } = server;
  await runSuite(
    "redis-6.2, ioredis",
    redisTarget(() => losingIoredis(url), "virtual", { losesAnswers: true }),
  );
  await runSuite(
    "redis-6.2, node-redis, in three partitions",
    redisTarget(() => nodeRedis(url), "virtual", { partitions: 3 }),
  );
}

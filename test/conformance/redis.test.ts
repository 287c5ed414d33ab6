import { afterAll } from "vitest";
import { isServerAvailable, startServer } from "../servers/shared-server.ts";
import { losingIoredis, nodeRedis, redisTarget } from "./redis-targets.ts";
import { runSuite } from "./run-suite.ts";

if (await isServerAvailable("redis")) {
  const server = await startServer("redis", { durable: true });
  afterAll(() => server.remove());
  const { url } = server;
  await runSuite(
    "redis, ioredis, in the server's time",
    redisTarget(() => losingIoredis(url), "real", { losesAnswers: true }),
  );
  await runSuite(
    "redis, node-redis",
    redisTarget(() => nodeRedis(url), "virtual"),
  );
  await runSuite(
    "redis, in three partitions",
    redisTarget(() => nodeRedis(url), "virtual", { partitions: 3 }),
  );
}

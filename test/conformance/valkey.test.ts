/** Valkey takes the commands of Redis 7.2: the same driver, in a column of its own. */
import { afterAll } from "vitest";
import { isServerAvailable, startServer } from "../servers/shared-server.ts";
import { losingIoredis, nodeRedis, redisTarget } from "./redis-targets.ts";
import { runSuite } from "./run-suite.ts";

if (await isServerAvailable("valkey")) {
  const server = await startServer("valkey", { durable: true });
  afterAll(() => server.remove());
  const { url } = server;
  await runSuite(
    "valkey, ioredis",
    redisTarget(() => losingIoredis(url), "virtual", { losesAnswers: true }),
  );
  await runSuite(
    "valkey, node-redis, in three partitions",
    redisTarget(() => nodeRedis(url), "virtual", { partitions: 3 }),
  );
}

/** The oldest server that is supported: other words where a script fails, and no WAITAOF. */
import { afterAll } from "vitest";
import { isServerAvailable, startServer } from "../servers/shared-server.ts";
import { handedIn, handedInRedis } from "./redis-lines.ts";
import { redisTarget } from "./redis-targets.ts";
import { runSuite } from "./run-suite.ts";

if (await isServerAvailable("redis-6.2")) {
  const server = await startServer("redis-6.2", { durable: true });
  afterAll(() => server.remove());
  await runSuite("redis-6.2, ioredis", redisTarget(server, handedIn, "virtual"));
  await runSuite(
    "redis-6.2, node-redis, in three partitions",
    redisTarget(server, handedInRedis, "virtual", { partitions: 3 }),
  );
}

/** Valkey takes the commands of Redis 7.2: the same driver, in a column of its own. */
import { afterAll } from "vitest";
import { isServerAvailable, startServer } from "../servers/shared-server.ts";
import { handedIn, handedInRedis } from "./redis-lines.ts";
import { redisTarget } from "./redis-targets.ts";
import { runSuite } from "./run-suite.ts";

if (await isServerAvailable("valkey")) {
  const server = await startServer("valkey", { durable: true });
  afterAll(() => server.remove());
  await runSuite("valkey, ioredis", redisTarget(server, handedIn, "virtual"));
  await runSuite(
    "valkey, node-redis, in three partitions",
    redisTarget(server, handedInRedis, "virtual", { partitions: 3 }),
  );
}

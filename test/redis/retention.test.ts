import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { redisDriver } from "../../src/drivers/redis/index.ts";
import { redisQueue } from "../../src/entry/redis.ts";
import { silentLogger } from "../../src/runtime/index.ts";
import { leavesWhatOthersKeep } from "../retention/keeps-none.ts";
import { sharedServer } from "../servers/shared-server.ts";

const server = await sharedServer("redis");

test.skipIf(server === undefined)("the upkeep of a process that keeps none leaves what others keep", async () => {
  expect.hasAssertions();
  const url = server?.url ?? "";
  for (const partitions of [1, 3]) {
    const prefix = `test:${randomUUID()}`;
    const keeping = redisQueue(url, { prefix, partitions, keepCompleted: true, logger: silentLogger });
    await leavesWhatOthersKeep(keeping, redisDriver({ url, prefix, partitions }));
  }
});

import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { redisQueue } from "jobferry/redis";
import { silentLogger } from "../../src/runtime/index.ts";
import { keepsTimeUnderSkew } from "../conformance/skewed-clocks.ts";
import { sharedServer } from "../servers/shared-server.ts";

const server = await sharedServer("redis");

test.skipIf(server === undefined)("processes whose clocks are hours apart: Redis's own clock decides", async () => {
  expect.hasAssertions();
  const prefix = `test:${randomUUID()}`;
  await keepsTimeUnderSkew((clock) => redisQueue(server?.url ?? "", { prefix, clock, logger: silentLogger }).open());
});

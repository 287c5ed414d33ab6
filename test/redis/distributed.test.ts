import { randomUUID } from "node:crypto";
import { describe } from "vitest";
import { redisCluster } from "jobferry/redis";
import { silentLogger } from "../../src/runtime/index.ts";
import { keepsJobsInItsStore } from "../conformance/distributed-entry.ts";
import { sharedServer } from "../servers/shared-server.ts";

const server = await sharedServer("redis");
const prefix = `test:${randomUUID()}`;

describe.runIf(server)("a cluster on Redis", () => {
  keepsJobsInItsStore((nodeId) => redisCluster({ url: server?.url ?? "", prefix, nodeId, logger: silentLogger }));
});

import { randomUUID } from "node:crypto";
import { redisCoordinationStore } from "../../../src/drivers/redis/index.ts";
import { sharedServer } from "../../servers/shared-server.ts";
import { clusterCases, SHORTEST } from "./cases.ts";
import { paceOf } from "./pace.ts";

const server = await sharedServer("redis");
if (server !== undefined) {
  const place = () => ({ kind: "redis", url: server.url, prefix: `test:${randomUUID()}` }) as const;
  const write = paceOf(redisCoordinationStore({ url: server.url, prefix: `test:${randomUUID()}` }));
  clusterCases("redis cluster", place, { ...SHORTEST, write });
}

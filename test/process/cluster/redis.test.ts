import { randomUUID } from "node:crypto";
import { sharedServer } from "../../servers/shared-server.ts";
import { clusterCases } from "./cases.ts";

const server = await sharedServer("redis");
if (server !== undefined)
  clusterCases("redis cluster", () => ({ kind: "redis", url: server.url, prefix: `test:${randomUUID()}` }));

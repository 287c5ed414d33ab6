import { randomUUID } from "node:crypto";
import { sharedServer } from "../../servers/shared-server.ts";
import { clusterCases } from "./cases.ts";
import type { Place } from "./place.ts";

const server = await sharedServer("consul");
if (server !== undefined) {
  const address = `${server.host}:${server.port}`;
  const placeIn = (): Place => ({ kind: "consul", address, prefix: `test/${randomUUID()}` });
  // Consul ends a session after twice its time to live; the rest is the watch and the machine.
  clusterCases("consul cluster", placeIn, { ttl: 1_000, lockTtlMs: 1_000, boundMs: 2_500 });
}

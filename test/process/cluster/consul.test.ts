import { randomUUID } from "node:crypto";
import { consulCoordinationStore } from "../../../src/drivers/consul/index.ts";
import { sharedServer } from "../../servers/shared-server.ts";
import { clusterCases } from "./cases.ts";
import { paceOf } from "./pace.ts";
import type { Place } from "./place.ts";

const server = await sharedServer("consul");
if (server !== undefined) {
  const address = `${server.host}:${server.port}`;
  const placeIn = (): Place => ({ kind: "consul", address, prefix: `test/${randomUUID()}` });
  const write = paceOf(consulCoordinationStore({ address, prefix: `test/${randomUUID()}` }));
  // Consul ends a session after twice its time to live; the rest is the watch and the machine.
  clusterCases("consul cluster", placeIn, { ttl: 1_000, lockTtlMs: 1_000, boundMs: 2_500, write });
}

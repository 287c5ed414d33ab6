import { randomUUID } from "node:crypto";
import { zookeeperCoordinationStore } from "../../../src/drivers/zookeeper/index.ts";
import { sharedServer } from "../../servers/shared-server.ts";
import { clusterCases } from "./cases.ts";
import { paceOf } from "./pace.ts";
import type { Place } from "./place.ts";

const server = await sharedServer("zookeeper");
if (server !== undefined) {
  const servers = `${server.host}:${server.port}`;
  const placeIn = (): Place => ({ kind: "zookeeper", servers, root: `/test-${randomUUID()}` });
  const write = paceOf(zookeeperCoordinationStore({ servers, root: `/test-${randomUUID()}` }));
  // The server looks once a tick, half a second here; the rest is the watch and the machine.
  clusterCases("zookeeper cluster", placeIn, { ttl: 1_000, lockTtlMs: 1_000, boundMs: 1_750, write });
}

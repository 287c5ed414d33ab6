import { randomUUID } from "node:crypto";
import { etcdCoordinationStore } from "../../../src/drivers/etcd/index.ts";
import { sharedServer } from "../../servers/shared-server.ts";
import { clusterCases } from "./cases.ts";
import { paceOf } from "./pace.ts";

// Three nodes; etcd gives no shorter leases than 2 s.
const server = await sharedServer("etcd-cluster");
if (server !== undefined) {
  const place = () => ({ kind: "etcd", url: server.url, prefix: `test-${randomUUID()}` }) as const;
  const write = paceOf(etcdCoordinationStore({ url: server.url, prefix: `test-${randomUUID()}` }));
  clusterCases("etcd cluster", place, { ttl: 2_000, lockTtlMs: 2_000, boundMs: 3_000, write });
}

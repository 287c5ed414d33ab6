import { randomUUID } from "node:crypto";
import { sharedServer } from "../../servers/shared-server.ts";
import { clusterCases } from "./cases.ts";

// Three nodes; etcd gives no shorter leases than 2 s.
const server = await sharedServer("etcd-cluster");
if (server !== undefined) {
  const place = () => ({ kind: "etcd", url: server.url, prefix: `test-${randomUUID()}` }) as const;
  clusterCases("etcd cluster", place, { ttl: 2_000, lockTtlMs: 2_000, boundMs: 3_000 });
}

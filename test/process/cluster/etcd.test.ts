import { randomUUID } from "node:crypto";
import { afterAll, beforeAll } from "vitest";
import { etcdCoordinationStore } from "../../../src/drivers/etcd/index.ts";
import { systemClock } from "../../../src/runtime/index.ts";
import { sharedServer } from "../../servers/shared-server.ts";
import { clusterCases } from "./cases.ts";

// Three nodes; etcd gives no shorter leases than 2 s.
const server = await sharedServer("etcd-cluster");
if (server !== undefined) {
  const place = () => ({ kind: "etcd", url: server.url, prefix: `test-${randomUUID()}` }) as const;
  const store = etcdCoordinationStore({ url: server.url, prefix: `test-${randomUUID()}` });
  beforeAll(() => store.open({ clock: systemClock }));
  afterAll(() => store.close());
  const write = () => store.transact([], [{ put: "pace/of/writes", value: new Uint8Array() }]);
  clusterCases("etcd cluster", place, { ttl: 2_000, lockTtlMs: 2_000, boundMs: 3_000, write });
}

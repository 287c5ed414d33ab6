import { randomUUID } from "node:crypto";
import { describe } from "vitest";
import { etcdCluster, etcdQueue } from "jobferry/etcd";
import { silentLogger } from "../../src/runtime/index.ts";
import { provesDurability, provesEntry, provesOtherSessions } from "../conformance/coordinated-entry.ts";
import { isServerAvailable, sharedServer, startServer } from "../servers/shared-server.ts";

const server = await sharedServer("etcd");
const url = server?.url ?? "";

describe.runIf(server)("etcd as a queue", () => {
  provesEntry({
    url,
    queue: (prefix, options) => etcdQueue(url, { ...options, prefix }),
    cluster: (prefix) => etcdCluster({ url, prefix, nodeId: "a", logger: silentLogger }),
  });
});

const queueAt = (at: string): ReturnType<typeof etcdQueue> =>
  etcdQueue(at, { logger: silentLogger, prefix: `test-${randomUUID()}` });
if (server !== undefined) provesDurability("etcd", "power", queueAt);
if (await isServerAvailable("etcd-cluster")) provesDurability("etcd-cluster", "quorum", queueAt);
if (server !== undefined)
  provesOtherSessions(
    "etcd",
    () => startServer("etcd", { args: ["--heartbeat-interval", "1000", "--election-timeout", "10000"] }),
    (at, options) => etcdQueue(at, { ...options, prefix: `test-${randomUUID()}` }),
  );

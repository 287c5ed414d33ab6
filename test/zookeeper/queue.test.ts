import { randomUUID } from "node:crypto";
import { describe } from "vitest";
import { zookeeperCluster, zookeeperQueue } from "jobferry/zookeeper";
import { silentLogger } from "../../src/runtime/index.ts";
import { provesDurability, provesEntry, provesOtherSessions } from "../conformance/coordinated-entry.ts";
import { isServerAvailable, sharedServer, startServer } from "../servers/shared-server.ts";

const server = await sharedServer("zookeeper");
const url = server?.url ?? "";

describe.runIf(server)("ZooKeeper as a queue", () => {
  provesEntry({
    url,
    queue: (root, options) => zookeeperQueue(url, { ...options, root: `/${root}` }),
    cluster: (root) =>
      zookeeperCluster({
        servers: url.replace("zookeeper://", ""),
        root: `/${root}`,
        nodeId: "a",
        logger: silentLogger,
      }),
  });
});

const queueAt = (at: string): ReturnType<typeof zookeeperQueue> =>
  zookeeperQueue(at, { logger: silentLogger, root: `/test-${randomUUID()}` });
if (server !== undefined) provesDurability("zookeeper", "power", queueAt);
if (await isServerAvailable("zookeeper-cluster")) provesDurability("zookeeper-cluster", "quorum", queueAt);
if (server !== undefined)
  provesOtherSessions(
    "zookeeper",
    () => startServer("zookeeper", { sessionTimeouts: [1_000, 8_000] }),
    (at, options) => zookeeperQueue(at, { ...options, root: `/test-${randomUUID()}` }),
  );

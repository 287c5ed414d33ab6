import { describe } from "vitest";
import { zookeeperCluster, zookeeperQueue } from "jobferry/zookeeper";
import { silentLogger } from "../../src/runtime/index.ts";
import { provesEntry } from "../conformance/coordinated-entry.ts";
import { sharedServer } from "../servers/shared-server.ts";

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

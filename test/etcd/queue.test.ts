import { describe } from "vitest";
import { etcdCluster, etcdQueue } from "jobferry/etcd";
import { silentLogger } from "../../src/runtime/index.ts";
import { provesEntry } from "../conformance/coordinated-entry.ts";
import { sharedServer } from "../servers/shared-server.ts";

const server = await sharedServer("etcd");
const url = server?.url ?? "";

describe.runIf(server)("etcd as a queue", () => {
  provesEntry({
    url,
    queue: (prefix, options) => etcdQueue(url, { ...options, prefix }),
    cluster: (prefix) => etcdCluster({ url, prefix, nodeId: "a", logger: silentLogger }),
  });
});

import { describe } from "vitest";
import { consulCluster, consulQueue } from "jobferry/consul";
import { silentLogger } from "../../src/runtime/index.ts";
import { provesEntry } from "../conformance/coordinated-entry.ts";
import { sharedServer } from "../servers/shared-server.ts";

const server = await sharedServer("consul");
const url = server?.url ?? "";

describe.runIf(server)("Consul as a queue", () => {
  provesEntry({
    url,
    queue: (prefix, options) => consulQueue(url, { ...options, prefix }),
    cluster: (prefix) => consulCluster({ address: url, prefix, nodeId: "a", logger: silentLogger }),
  });
});

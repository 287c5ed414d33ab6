import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import { consulCluster, consulQueue } from "jobferry/consul";
import { silentLogger } from "../../src/runtime/index.ts";
import { provesDurability, provesEntry, provesOtherSessions } from "../conformance/coordinated-entry.ts";
import { isServerAvailable, sharedServer, startServer } from "../servers/shared-server.ts";

const server = await sharedServer("consul");
const url = server?.url ?? "";

describe.runIf(server)("Consul as a queue", () => {
  provesEntry({
    url,
    queue: (prefix, options) => consulQueue(url, { ...options, prefix }),
    cluster: (prefix) => consulCluster({ address: url, prefix, nodeId: "a", logger: silentLogger }),
  });
});

const queueAt = (at: string): ReturnType<typeof consulQueue> =>
  consulQueue(at, { logger: silentLogger, prefix: `test-${randomUUID()}` });
// It was started with -dev.
if (server !== undefined) provesDurability("consul", "process", queueAt);
test.runIf(server)("pushes to a single server that keeps its data survive: power", async () => {
  await using own = await startServer("consul", { durable: true });
  const queue = await queueAt(own.url).open();
  expect(queue.capabilities.durability).toBe("power");
  await queue.close();
});
if (await isServerAvailable("consul-cluster")) provesDurability("consul-cluster", "quorum", queueAt);
if (server !== undefined)
  provesOtherSessions(
    "consul",
    () => startServer("consul", { shortestSession: "15s" }),
    (at, options) => consulQueue(at, { ...options, prefix: `test-${randomUUID()}` }),
  );

import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import { createJob } from "jobferry";
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

describe.runIf(server)("ZooKeeper without nodes that have a time to live", () => {
  test("a queue pushes, delays, fails, retries and completes", async () => {
    await using plain = await startServer("zookeeper", { ttlNodes: false });
    await using queue = zookeeperQueue(plain.url, { logger: silentLogger });
    await queue.pushBatch([createJob("now"), createJob("later", { delay: "300ms" })]);
    const first = await queue.pop();
    expect(first?.payload).toBe("now");
    await first?.fail(new Error("no good"));
    expect(await queue.retryFailed()).toBe(1);
    const rest = [await queue.pop({ wait: "10s" }), await queue.pop({ wait: "10s" })];
    expect(new Set(rest.map((job) => job?.payload))).toEqual(new Set(["later", "now"]));
    for (const job of rest) await job?.complete();
    expect(await queue.getStats()).toMatchObject({ pendingJobs: 0, delayedJobs: 0, reservedJobs: 0, failedJobs: 0 });
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

import { describe, expect, test } from "vitest";
import { Cluster, ClusterObserver, createCluster, isJobferryError } from "../../../src/entry/index.ts";
import { consulCluster, consulQueue } from "../../../src/entry/consul.ts";
import { etcdCluster, etcdQueue } from "../../../src/entry/etcd.ts";
import { zookeeperCluster, zookeeperQueue } from "../../../src/entry/zookeeper.ts";
import { memoryCoordinationStore } from "../../../src/drivers/memory/coordination-store.ts";
import { silentLogger } from "../../../src/runtime/index.ts";
import { FaultyClient } from "../../conformance/coordination/faults.ts";
import { failure } from "../cluster/stage.ts";

describe("createCluster", () => {
  test("makes a node for a URL, which joins with start", async () => {
    const cluster = await createCluster("memory:", { nodeId: "by-url", name: "urls" });
    await using started = await cluster.start();
    expect((await started.nodes()).map(({ id }) => id)).toEqual(["by-url"]);
  });

  test.each([
    ["memory:there", {}, /no name or place/],
    ["sqlite:", {}, /path/],
    ["postgress://app:secret@host/db", {}, /Did you mean "postgres:"/],
    ["secret", {}, /no scheme/],
    ["amqps://app:secret@host", {}, /RabbitMQ cannot carry a cluster/],
    ["memory:", { prefix: "p" }, /Redis, etcd and Consul clusters only/],
    ["memory:", { electionTimeOut: 5 }, /Did you mean "electionTimeout"/],
  ])("%s %j is refused at once, and no secret repeated", async (url, options, message) => {
    const error = await failure(createCluster(url, { nodeId: "a", ...options }));
    expect(isJobferryError(error, "INVALID_ARGUMENT")).toBe(true);
    expect(error.message).toMatch(message);
    expect(error.message).not.toContain("secret");
  });

  test.each([
    ...["memory:", "sqlite:x.db", "postgres://app@h/db", "etcd://h", "consul://h", "zookeeper://h/root"].map(
      (url) => [url, 1, "replicas is an option of Redis clusters only."] as const,
    ),
    ["redis://host", -1, "must be an integer from 0 to 100"],
    ["redis+cluster://host", 1.5, "must be an integer from 0 to 100"],
    ["rediss+sentinel://host?master=m", "1", "must be an integer from 0 to 100"],
  ] as const)("%s with replicas %j is refused at once", async (url, replicas, message) => {
    const error = await failure(createCluster(url, { nodeId: "a", replicas: replicas as number }));
    expect(isJobferryError(error, "INVALID_ARGUMENT")).toBe(true);
    expect(error.message).toContain(message);
  });

  test.each([
    ["createCluster", () => createCluster("etcd://127.0.0.1", undefined as never)],
    ["etcdCluster", async () => etcdCluster(undefined as never)],
    ["consulCluster", async () => consulCluster(undefined as never)],
    ["zookeeperCluster", async () => zookeeperCluster(undefined as never)],
  ])("%s without options says what it wants", async (name, make) => {
    const error = await failure(make());
    expect([error.code, error.message.includes(`${name} options`)]).toEqual(["INVALID_ARGUMENT", true]);
  });

  test("places without a scheme are taken by each queue", async () => {
    const queues = [etcdQueue("a:2379,b:2379"), consulQueue("a:8500"), zookeeperQueue("a:2181,b:2181")];
    for (const queue of queues) await queue.close();
  });
});

describe("ClusterObserver", () => {
  const observer = async (name: string): Promise<ClusterObserver> =>
    ClusterObserver.open(await createCluster("memory:", { nodeId: "looks", name, logger: silentLogger }));

  test("sees an empty cluster, and ends once", async () => {
    const seen = await observer("empty");
    expect([
      await seen.nodes(),
      await seen.leader(),
      await seen.locks(),
      await seen.plan(),
      await seen.metrics(),
    ]).toEqual([[], undefined, [], undefined, []]);
    await Promise.all([seen.close(), seen.close()]);
    expect((await failure(seen.nodes())).code).toBe("CLOSED");
    expect((await failure(seen.broadcast("t", 1))).code).toBe("CLOSED");
  });

  test("refuses a message that is no JSON, and a topic beyond the limits", async () => {
    await using seen = await observer("empty");
    expect((await failure(seen.broadcast("t", 1n))).code).toBe("PAYLOAD_INVALID");
    expect((await failure(seen.broadcast("x".repeat(5_000), 1))).code).toBe("INVALID_ARGUMENT");
  });

  test("says why a store cannot be opened, and closes it", async () => {
    const store = new FaultyClient(memoryCoordinationStore());
    let closed = 0;
    store.open = () => Promise.reject(new Error("no way"));
    store.close = () => Promise.resolve(void (closed += 1));
    const error = await failure(ClusterObserver.open(new Cluster(store, { nodeId: "looks", logger: silentLogger })));
    expect([error.message.includes("no way"), closed]).toEqual([true, 1]);
  });
});

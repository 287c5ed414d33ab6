/** What waits for a replica is not confirmed while that one does not answer, whatever way it goes. */
import { createSentinel } from "redis";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { type Cluster, createCluster, createJob } from "jobferry";
import type { CoordinationStore } from "../../src/contract/index.ts";
import { redisCoordinationStore } from "../../src/drivers/redis/index.ts";
import { silentLogger } from "../../src/runtime/index.ts";
import { isServerAvailable, startServer } from "../servers/shared-server.ts";
import { CONTEXT, queueOn, rejection } from "./stage.ts";

const HOST = "127.0.0.1";
const KEY = "locks/a/place";

describe.runIf(await isServerAvailable("redis-sentinel"))("a replica that hangs", async () => {
  const server = await startServer("redis-sentinel");
  const replica = server.nodes.find(({ name }) => name.includes("replica"));
  const open: CoordinationStore[] = [];
  const clusters: Cluster[] = [];
  afterEach(async () => {
    await replica?.resume();
    await Promise.all(clusters.splice(0).map((cluster) => cluster.stop()));
    await Promise.all(open.splice(0).map((store) => store.close()));
  });
  afterAll(() => server.remove());

  it("confirms no push of a node-redis client with several connections to the primary", async () => {
    const sentinelRootNodes = server.nodes
      .filter(({ name }) => name.includes("sentinel"))
      .map(({ port }) => ({ host: HOST, port }));
    const client = createSentinel({ name: "mymaster", sentinelRootNodes, masterPoolSize: 4 });
    client.on("error", () => undefined);
    await client.connect();
    const queue = queueOn(client, { replicas: 1, pushTimeout: "1s", commandTimeout: "500ms" });
    await queue.push(createJob("before"));
    await replica?.pause();
    expect(await rejection(queue.push(createJob("after")))).toMatchObject({ code: "UNAVAILABLE", retryable: true });
    await queue.close();
    await client.destroy();
  });

  async function storeUnder(prefix: string): Promise<CoordinationStore> {
    const store = redisCoordinationStore({ url: server.url, prefix, replicas: 1, commandTimeout: "2s" });
    open.push(store);
    await store.open(CONTEXT);
    return store;
  }

  it("confirms to nobody what it has not got, also not that it is there already", async () => {
    const [first, second] = [await storeUnder("hanging"), await storeUnder("hanging")];
    await first.transact([], [{ put: "locks/a/other", value: Buffer.from("x") }]);
    await replica?.pause();
    const put = { put: KEY, value: Buffer.from("mine") };
    await expect(first.transact([{ key: KEY, absent: true }], [put])).rejects.toThrow(/1 replicas/);
    await expect(second.transact([{ key: KEY, absent: true }], [put])).rejects.toThrow(/1 replicas/);
    await replica?.resume();
    expect(await second.transact([{ key: KEY, absent: true }], [put])).toEqual({ ok: false });
    expect(Buffer.from((await second.get(KEY))?.value ?? []).toString()).toBe("mine");
  });

  async function nodeOf(name: string, options: Readonly<{ replicas?: number }>): Promise<Cluster> {
    const cluster = await createCluster(server.url, { nodeId: name, name, logger: silentLogger, ...options });
    clusters.push(cluster);
    await cluster.start();
    return cluster;
  }

  it("holds up what a cluster by URL writes, where it was told to wait for replicas, and only there", async () => {
    const waiting = await nodeOf("waiting", { replicas: 1 });
    const other = await nodeOf("other", {});
    await waiting.broadcast("news", "before");
    await replica?.pause();
    let isSent = false;
    const sent = waiting.broadcast("news", "meanwhile").then(() => (isSent = true));
    for (let n = 0; n < 10; n += 1) await other.broadcast("news", n);
    expect(isSent).toBe(false);
    await replica?.resume();
    expect(await sent).toBe(true);
  });

  it("says how many replicas a cluster by URL wants that are not there", async () => {
    const cluster = await createCluster(server.url, { nodeId: "many", replicas: 2, logger: silentLogger });
    clusters.push(cluster);
    expect(String(await rejection(cluster.start()))).toMatch(/2 replicas/);
  });
});

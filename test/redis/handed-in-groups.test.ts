/** Clients for Sentinel and Cluster that the user has made: each kind works, is left open and takes no harm. */
import * as oldestIoredis from "ioredis-oldest";
import { Cluster, Redis } from "ioredis";
import { createCluster, createSentinel } from "redis";
import * as oldestRedis from "redis-oldest";
import { afterAll, describe, expect, it } from "vitest";
import { createJob } from "jobferry";
import type { RedisClient } from "jobferry/redis";
import { startTcpProxy } from "../faults/tcp-proxy.ts";
import type { RunningServer } from "../../scripts/servers/server.ts";
import { isServerAvailable, startServer } from "../servers/shared-server.ts";
import { openError, queueOn, wait } from "./stage.ts";

/** A client with the way to see that it is still open, and to end it. */
type HandedIn = Readonly<{ client: RedisClient; ping: () => Promise<unknown>; end: () => unknown }>;

const NAME = "mymaster";
const HOST = "127.0.0.1";

function sentinelsOf({ nodes }: RunningServer) {
  return nodes.filter(({ name }) => name.includes("sentinel")).map(({ port }) => ({ host: HOST, port }));
}

function rootsOf({ nodes }: RunningServer) {
  return nodes.map(({ port }) => ({ host: HOST, port }));
}

/** Waiting, a durable push, a claim and a finish: everything for which the driver makes a connection. */
async function proves({ client, ping, end }: HandedIn, partitions: number): Promise<void> {
  const queue = queueOn(client, { partitions, replicas: 1 });
  const waiting = queue.pop({ wait: "20s" });
  await wait(500);
  await queue.push(createJob("woken"));
  const job = await waiting;
  expect(job?.payload).toBe("woken");
  await job?.complete();
  expect(await queue.getStats()).toMatchObject({ completedJobs: 1 });
  await queue.close();
  expect(await ping()).toBeDefined();
  await end();
}

describe.runIf(await isServerAvailable("redis-sentinel"))("handed-in clients for Sentinel", async () => {
  const server = await startServer("redis-sentinel");
  afterAll(() => server.remove());

  it("of ioredis, the newest and the oldest", async () => {
    const options = { sentinels: sentinelsOf(server), name: NAME };
    for (const client of [new Redis(options), new oldestIoredis.default.default(options)])
      await proves({ client, ping: () => client.ping(), end: () => client.disconnect() }, 1);
  });

  it("of node-redis", async () => {
    const client = createSentinel({ name: NAME, sentinelRootNodes: sentinelsOf(server) });
    client.on("error", () => undefined);
    await client.connect();
    await proves({ client, ping: () => client.get("none").then(String), end: () => client.destroy() }, 1);
  });

  it("of a node-redis that cannot be duplicated is refused, because waiting needs a connection of its own", async () => {
    const client = oldestRedis.createSentinel({ name: NAME, sentinelRootNodes: sentinelsOf(server) });
    const error = await openError(client as unknown as RedisClient).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "INVALID_ARGUMENT" });
    expect(String(error)).toContain("duplicate()");
  });
});

describe.runIf(await isServerAvailable("redis-cluster"))("handed-in clients for Cluster", async () => {
  const server = await startServer("redis-cluster");
  afterAll(() => server.remove());

  it("of ioredis, the newest and the oldest", async () => {
    for (const Client of [Cluster, oldestIoredis.Cluster]) {
      const client = new Client(rootsOf(server));
      await proves({ client, ping: () => client.get("none").then(String), end: () => client.disconnect() }, 3);
    }
  });

  it("of node-redis, the newest and the oldest", async () => {
    for (const create of [createCluster, oldestRedis.createCluster] as readonly (typeof createCluster)[]) {
      const client = create({ rootNodes: rootsOf(server).map((socket) => ({ socket })) });
      client.on("error", () => undefined);
      await client.connect();
      await proves({ client, ping: () => client.get("none").then(String), end: () => client.destroy() }, 3);
    }
  });

  it("of node-redis with a shared map of addresses: the driver's own connections come back after a loss", async () => {
    const proxies = await Promise.all(rootsOf(server).map(startTcpProxy));
    const lines = proxies.map(({ host, port }) => ({ host, port }));
    const entries = rootsOf(server).map(({ port }, index) => [`${HOST}:${port}`, lines[index]] as const);
    const nodeAddressMap = Object.fromEntries(entries) as Record<string, { host: string; port: number }>;
    const client = createCluster({ rootNodes: lines.map((socket) => ({ socket })), nodeAddressMap });
    client.on("error", () => undefined);
    await client.connect();
    // As the client leaves every address from which it learns the slots.
    for (const address of lines) Object.assign(address, { reconnectStrategy: false });
    const queue = queueOn(client, { partitions: 3, replicas: 1 });
    await queue.push(createJob("before"));
    for (const proxy of proxies) proxy.cut("reset");
    const push = (): Promise<string> => queue.push(createJob("after")).then(() => "pushed", String);
    await expect.poll(push, { timeout: 10_000 }).toBe("pushed");
    await queue.close();
    client.destroy();
    await Promise.all(proxies.map((proxy) => proxy.close()));
  });

  it("with a keyPrefix are refused", async () => {
    const ofIoredis = new Cluster(rootsOf(server), { keyPrefix: "mine:", lazyConnect: true });
    expect(await openError(ofIoredis)).toMatchObject({ code: "INVALID_ARGUMENT" });
    const ofNodeRedis = createCluster({ rootNodes: [], keyPrefix: "mine:" });
    expect(await openError(ofNodeRedis)).toMatchObject({ code: "INVALID_ARGUMENT" });
  });

  it("for one server, given a node of a cluster, are told to be of the wrong kind", async () => {
    const node = server.nodes[0]?.port ?? 0;
    const errors = await Promise.all(
      ["a", "b", "c", "d", "e"].map((prefix) =>
        openError(`redis://${HOST}:${node}`, { prefix }).catch(() => undefined),
      ),
    );
    const [error] = errors.filter((one) => one !== undefined);
    expect(error).toMatchObject({ code: "INVALID_ARGUMENT", retryable: false });
    expect(error?.message).toContain("redis+cluster:");
  });
});

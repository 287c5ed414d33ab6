// What a node of a cluster on Redis is told, with which code, and that it leaves nothing half started.
import { randomUUID } from "node:crypto";
import { inspect } from "node:util";
import { Redis } from "ioredis";
import { afterAll, describe, expect, it } from "vitest";
import { freePort } from "../../scripts/servers/free-port.ts";
import { redisCluster, type RedisClusterOptions } from "jobferry/redis";
import { silentLogger } from "../../src/runtime/index.ts";
import { isServerAvailable, startServer } from "../servers/shared-server.ts";
import { rejection } from "./stage.ts";

const SECRET = "s3cr3t-word";

const make = (options: object): unknown => redisCluster({ nodeId: "a", ...options } as RedisClusterOptions);

describe("redis cluster: options", () => {
  it.each([
    ["an unknown option", { adr: "h:1" }, /Did you mean "addr"/],
    ["no place", {}, /one of addr, url and client/],
    ["two places", { addr: "h:1", url: "redis://h" }, /one of addr, url and client/],
    ["a login in addr", { addr: `me:${SECRET}@h:6379` }, /addr must be host:port/],
    ["a URL in addr", { addr: `redis://:${SECRET}@h` }, /addr must be host:port/],
    ["a password beside a url", { url: "redis://h", password: SECRET }, /stand beside addr/],
    ["a user name alone", { addr: "h", username: SECRET }, /needs a password/],
    ["a database that is none", { addr: "h", db: -1 }, /db/],
    ["a time-out below the store's minimum", { addr: "h", electionTimeout: 100 }, /from 200 to/],
    ["a lock time-out below it", { addr: "h", lockTimeout: "1ms" }, /from 200 to/],
    ["a heartbeat that is too slow", { addr: "h", electionTimeout: "3s", heartbeatInterval: "1s" }, /below a third/],
    ["a node id that makes too long a key", { addr: "h", nodeId: "x".repeat(2_000) }, /nodeId|node id/],
  ])("%s is refused at construction", (_, options, message) => {
    expect(() => make(options)).toThrow(message);
    expect(() => make(options)).not.toThrow(SECRET);
  });

  it("DESIGN's names make a node", () => {
    expect(() => make({ addr: "[::1]:6379", username: "me", password: "a b/@:", db: 3 })).not.toThrow();
  });
});

describe.runIf(await isServerAvailable("redis"))("redis cluster: a server that does not do", async () => {
  const server = await startServer("redis", { password: "right" });
  afterAll(() => server.remove());
  const addr = `${server.host}:${server.port}`;
  const node = (options: Partial<RedisClusterOptions>) =>
    redisCluster({
      nodeId: "a",
      logger: silentLogger,
      prefix: `test:${randomUUID()}`,
      ...options,
    } as RedisClusterOptions);
  const startError = async (options: Partial<RedisClusterOptions>): Promise<ReturnType<typeof rejection>> => {
    const cluster = node({ connectTimeout: "3s", ...options });
    const error = await rejection(cluster.start());
    await cluster.stop();
    expect(inspect(error, { depth: 10 })).not.toContain(SECRET);
    return error;
  };

  it("refuses the credentials", async () => {
    expect(await startError({ addr, password: SECRET })).toMatchObject({ code: "ACCESS_DENIED", retryable: false });
    expect(await startError({ addr })).toMatchObject({ code: "ACCESS_DENIED", retryable: false });
  });

  it("is not there", async () => {
    const port = await freePort();
    const error = await startError({ addr: `127.0.0.1:${port}`, password: SECRET });
    expect(error).toMatchObject({ code: "UNAVAILABLE", retryable: true });
    expect(error.message).toContain(`127.0.0.1:${port}`);
  });

  it("is a read-only replica", async () => {
    await using replica = await startServer("redis", { readOnly: true });
    expect(await startError({ url: replica.url })).toMatchObject({ code: "STORE_READ_ONLY" });
  });

  it("has no replicas that would keep its writes: without quorum", async () => {
    await using alone = await startServer("redis", { args: ["--min-replicas-to-write", "1"] });
    expect(await startError({ url: alone.url })).toMatchObject({ code: "UNAVAILABLE", retryable: true });
  });

  it("has fewer replicas than the node wants to have its writes", async () => {
    await using alone = await startServer("redis");
    const error = await startError({ url: alone.url, replicas: 1, commandTimeout: "2s" });
    expect(error).toMatchObject({ code: "UNAVAILABLE", retryable: true });
    expect(error.message).toContain("1 replicas");
  });

  it("may throw keys away", async () => {
    await using evicting = await startServer("redis", {
      args: ["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"],
    });
    expect(await startError({ url: evicting.url })).toMatchObject({ code: "UNSUPPORTED" });
  });

  it("knows a living node of that id; the living one stays, and of the other nothing is left", async () => {
    const prefix = `test:${randomUUID()}`;
    const [first, second] = [0, 1].map(() =>
      node({ addr, password: "right", prefix, electionTimeout: "3s", joinTimeout: "5s" }),
    );
    await first?.start();
    expect(await rejection(second?.start() ?? Promise.resolve())).toMatchObject({ code: "NODE_ID_TAKEN" });
    await second?.stop();
    expect((await first?.nodes())?.map(({ id }) => id)).toEqual(["a"]);
    await first?.stop();
  });

  it("holds a cluster of a newer release, which is left as it is", async () => {
    const client = new Redis(`redis://:right@${addr}`);
    const first = node({ addr, password: "right", prefix: "newer" });
    await first.start();
    await first.stop();
    const [layout = ""] = await client.keys("{newer}*layout");
    await client.set(layout, "99");
    const before = await client.keys("{newer}*");
    const error = await startError({ addr, password: "right", prefix: "newer" });
    expect(error).toMatchObject({ code: "STORE_NEWER", retryable: false });
    expect((await client.keys("{newer}*")).toSorted()).toEqual(before.toSorted());
    client.disconnect();
  });

  it("takes no such lock name and no such message", async () => {
    const cluster = node({ addr, password: "right" });
    await cluster.start();
    expect(await rejection(cluster.lock("ü".repeat(200)))).toMatchObject({ code: "INVALID_ARGUMENT" });
    expect(await rejection(cluster.broadcast("news", "x".repeat(1_100_000)))).toMatchObject({
      code: "PAYLOAD_TOO_LARGE",
    });
    await cluster.stop();
  });
});

/** The primary that is left serves its slots on until it has missed the others for cluster-node-timeout. */
async function untilItRefuses(port: number): Promise<void> {
  const client = new Redis({ port });
  await expect.poll(() => client.cluster("INFO")).toContain("cluster_state:fail");
  client.disconnect();
}

describe.runIf(await isServerAvailable("redis-cluster"))("redis cluster: a Redis Cluster without a majority", () => {
  it.each(["ioredis", "redis"] as const)("is UNAVAILABLE, and the start ends in time, with %s", async (library) => {
    await using server = await startServer("redis-cluster");
    // Two of three primaries and their replicas: nobody is left who could elect.
    for (const one of server.nodes.filter((_, i) => i % 3 !== 0)) await one.kill();
    await untilItRefuses(server.nodes[0]?.port ?? 0);
    const cluster = redisCluster({
      ...{ url: server.url, library, nodeId: "a", prefix: `test:${randomUUID()}`, logger: silentLogger },
      ...{ connectTimeout: "3s", commandTimeout: "1s", electionTimeout: "2s" },
    });
    const began = performance.now();
    expect(await rejection(cluster.start())).toMatchObject({ code: "UNAVAILABLE", retryable: true });
    expect(performance.now() - began).toBeLessThan(20_000);
    await cluster.stop();
  });
});

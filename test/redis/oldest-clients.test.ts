import * as ioredis from "ioredis-oldest";
import { createClient, createCluster } from "redis-oldest";
import { afterAll, describe, expect, it } from "vitest";
import { createJob } from "jobferry";
import type { RedisClient } from "jobferry/redis";
import { NodeRedisConnection } from "../../src/drivers/redis/clients/node-redis.ts";
import { isServerAvailable, sharedServer, startServer } from "../servers/shared-server.ts";
import { queueOn, wait } from "./stage.ts";
import { startStopwatch } from "../stalls/stopwatch.ts";

describe.runIf(await isServerAvailable("redis"))("the oldest supported release", async () => {
  const server = await startServer("redis");
  afterAll(() => server.remove());

  const clients: Readonly<Record<string, () => Readonly<{ client: RedisClient; end: () => void }>>> = {
    ioredis: () => {
      const client = new ioredis.default.default(server.url);
      return { client, end: () => client.disconnect() };
    },
    redis: () => {
      const client = createClient({ url: server.url });
      return { client, end: () => client.destroy() };
    },
  };

  it.each(Object.keys(clients))("of %s pushes, waits, claims, finishes and closes", async (name) => {
    const { client, end } = clients[name]?.() ?? expect.fail(name);
    const queue = queueOn(client);
    const waiting = queue.pop({ wait: "10s" });
    await wait(300);
    const took = await startStopwatch();
    await queue.push(createJob({ text: "ünï" }));
    const job = await waiting;
    expect(job?.payload).toEqual({ text: "ünï" });
    expect(await took()).toBeLessThan(700);
    await job?.complete();
    await queue.pushBatch([createJob(new Uint8Array([0, 255])), createJob("x".repeat(10_000), { priority: 1 })]);
    const [large, bytes] = await queue.popBatch(2);
    expect(large?.payload).toBe("x".repeat(10_000));
    expect(bytes?.payload).toEqual(new Uint8Array([0, 255]));
    await queue.close();
    end();
  });
});

const group = await sharedServer("redis-cluster");

describe.runIf(group !== undefined)("the oldest supported release of redis on a cluster", () => {
  it("is closed whole where one node's connection has ended for good", async () => {
    const [, hosts = ""] = /^[a-z+]+:\/\/([^/?]+)/.exec(group?.url ?? "") ?? [];
    const client = createCluster({ rootNodes: hosts.split(",").map((host) => ({ url: `redis://${host}` })) });
    client.on("error", () => undefined);
    await client.connect();
    for (const node of client.masters) await (await client.nodeClient(node)).ping();
    await client.subscribe("oldest", () => undefined);
    const all = [...client.masters, { client: client.pubSubNode?.client }];
    const nodes = all.flatMap(({ client: node }) => (node instanceof Promise ? [] : (node ?? [])));
    expect(nodes.length).toBe(4);
    const connection = new NodeRedisConnection(client as unknown as RedisClient as never, true);
    nodes[0]?.destroy();
    connection.close();
    expect(nodes.map(({ isOpen }) => isOpen)).toEqual([false, false, false, false]);
  });
});

/** A sentinel client of node-redis that was handed in sends again what was under way when its connection broke, and tells nobody. */
import { randomUUID } from "node:crypto";
import { Redis } from "ioredis";
import { createSentinel } from "redis";
import { afterAll, describe, expect, it } from "vitest";
import { redisCoordinationStore, redisDriver } from "../../src/drivers/redis/index.ts";
import { coordinationScripts } from "../../src/drivers/redis/coordination-scripts.ts";
import { type Script, scripts } from "../../src/drivers/redis/script.ts";
import { LostAnswer } from "../faults/lost-answer.ts";
import { startTcpProxy } from "../faults/tcp-proxy.ts";
import { isServerAvailable, startServer } from "../servers/shared-server.ts";
import { CONTEXT, itemOf } from "./stage.ts";

const HOST = "127.0.0.1";
/** The primary's second name: the sentinels tell the proxy's address for it. With a `nodeAddressMap` in place of it the client would tell of the loss. */
const NAME = "behind-proxy";

describe.runIf(await isServerAvailable("redis-sentinel"))("what is sent twice behind Sentinel", async () => {
  const server = await startServer("redis-sentinel");
  const portsOf = (part: string): readonly number[] =>
    server.nodes.filter(({ name }) => name.includes(part)).map(({ port }) => port);
  const proxy = await startTcpProxy({ host: HOST, port: portsOf("primary")[0] ?? 0 });
  const sentinelRootNodes = portsOf("sentinel").map((port) => ({ host: HOST, port }));
  for (const { host, port } of sentinelRootNodes) {
    const sentinel = new Redis(port, host);
    await sentinel.call("SENTINEL", "MONITOR", NAME, proxy.host, String(proxy.port), "2");
    sentinel.disconnect();
  }
  const client = createSentinel({ name: NAME, sentinelRootNodes });
  client.on("error", () => undefined);
  await client.connect();
  afterAll(async () => {
    await client.destroy();
    await proxy.close();
    await server.remove();
  });

  const prefix = `test:${randomUUID()}`;
  const loseAnswer = (...some: readonly Script[]): void => {
    const requests = some.flatMap(({ sha, text }) => [sha, text.slice(-200)]);
    proxy.loseAnswer(new LostAnswer({ requests, passes: /^-/ }));
  };

  it("a transaction that met its own first sending is unknown", async () => {
    const store = redisCoordinationStore({ client, prefix });
    await store.open(CONTEXT);
    const key = "locks/a/place";
    loseAnswer(coordinationScripts.transact);
    const taken = store.transact([{ key, absent: true }], [{ put: key, value: Buffer.from("mine") }]);
    await expect(taken).rejects.toMatchObject({ code: "UNAVAILABLE", retryable: true });
    expect(Buffer.from((await store.get(key))?.value ?? []).toString()).toBe("mine");
    await store.close();
  });

  it("so are a push and a finish", async () => {
    const driver = redisDriver({ client, prefix });
    await driver.open(CONTEXT);
    loseAnswer(scripts.push, scripts.pushOne);
    expect(await driver.push([itemOf("twice")])).toEqual([{ status: "unknown" }]);
    const { reservations } = await driver.reserve({ queues: ["default"], max: 2, leaseMs: 60_000, waitMs: 0 });
    expect(reservations.map(({ job }) => job.id)).toEqual(["twice"]);
    loseAnswer(scripts.done);
    const [reservation] = reservations;
    expect(reservation && (await driver.finish([{ reservation, outcome: "done" }]))).toEqual(["unknown"]);
    expect(await driver.stats("default")).toMatchObject({ reserved: 0, completed: 1 });
    await driver.close();
  });
});

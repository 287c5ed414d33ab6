import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { Redis } from "ioredis";
import { afterAll, describe, expect, it } from "vitest";
import type { WatchEvent } from "../../src/contract/index.ts";
import { redisCoordinationStore } from "../../src/drivers/redis/index.ts";
import { LostAnswer } from "../faults/lost-answer.ts";
import { startTcpProxy } from "../faults/tcp-proxy.ts";
import { UnheardErrors } from "../faults/unheard-errors.ts";
import { isServerAvailable, startServer } from "../servers/shared-server.ts";
import { CONTEXT } from "./stage.ts";

describe.runIf(await isServerAvailable("redis"))("the connection that hears of changes breaks", async () => {
  const server = await startServer("redis");
  const admin = new Redis(server.url);
  afterAll(async () => {
    admin.disconnect();
    await server.remove();
  });

  it.each(["ioredis", "redis"] as const)("and again while %s subscribes once more", async (library) => {
    await using proxy = await startTcpProxy(server);
    using unheard = new UnheardErrors();
    const url = `redis://127.0.0.1:${proxy.port}`;
    const prefix = `test:${randomUUID()}`;
    const store = redisCoordinationStore({ url, library, prefix });
    await store.open(CONTEXT);
    const listeners = async (): Promise<number> => {
      const [, count] = (await admin.pubsub("NUMSUB", `{${prefix}}:c:changes`)) as [string, number];
      return count;
    };
    const stop = new AbortController();
    const heard: WatchEvent[] = [];
    const watching = (async () => {
      for await (const event of store.watch("a/b/", { signal: stop.signal })) heard.push(event);
    })();
    await expect.poll(listeners).toBe(1);
    const lost = new LostAnswer({ requests: ["subscribe", "SUBSCRIBE"] });
    proxy.loseAnswer(lost);
    expect(await admin.call("CLIENT", "KILL", "TYPE", "pubsub")).toBe(1);
    await expect.poll(() => lost.isDone).toBe(true);
    // The next time it gets through.
    await expect.poll(listeners).toBe(1);
    const before = heard.length;
    await store.transact([], [{ put: "a/b/c", value: new Uint8Array([1]) }]);
    await expect.poll(() => heard.length).toBeGreaterThan(before);
    // And once more while the store closes.
    proxy.slow({ latency: 100 });
    // A server counts a subscription that broke until it has freed it: the new one may not be there yet.
    await expect.poll(() => admin.call("CLIENT", "KILL", "TYPE", "pubsub")).toBe(1);
    await pause(600);
    stop.abort();
    await watching;
    await store.close();
    await pause(300);
    expect(unheard.all).toEqual([]);
  });
});

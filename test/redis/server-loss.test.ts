import { randomUUID } from "node:crypto";
import { Redis } from "ioredis";
import { createClient } from "redis";
import { afterAll, describe, expect, it } from "vitest";
import { createJob, Worker } from "jobferry";
import { redisDriver } from "../../src/drivers/redis/index.ts";
import { startTcpProxy } from "../faults/tcp-proxy.ts";
import { isServerAvailable, startServer } from "../servers/shared-server.ts";
import { CONTEXT, itemOf, queueOn, rejection, Traffic, until, wait } from "./stage.ts";
import { startStopwatch } from "../stalls/stopwatch.ts";

describe.runIf(await isServerAvailable("redis"))("a server that is lost", async () => {
  const shared = await startServer("redis");
  afterAll(() => shared.remove());

  it("scripts that it forgot are sent again", async () => {
    await using queue = queueOn(shared.url);
    await queue.push(createJob(1));
    const client = new Redis(shared.url);
    await client.script("FLUSH");
    await queue.push(createJob(2));
    await client.script("FLUSH");
    const reserved = await queue.popBatch(2);
    expect(reserved.map(({ payload }) => payload)).toEqual([1, 2]);
    await client.script("FLUSH");
    for (const job of reserved) await job.complete();
    expect((await queue.getStats()).completedJobs).toBe(2);
    client.disconnect();
  });

  describe.each(["ioredis", "redis"] as const)("with %s", (library) => {
    it("workers go on within 5 s of its return, and nothing confirmed is lost", async () => {
      // With everysec it confirms pushes that SIGKILL loses, while it syncs.
      await using server = await startServer("redis", { durable: true, args: ["--appendfsync", "always"] });
      await using queue = queueOn(server.url, { library, pushTimeout: "30s" });
      const traffic = new Traffic(queue);
      await traffic.start();
      await until(() => traffic.done > 50, 10_000);
      await server.kill();
      await wait(2_000);
      await server.restart();
      const before = traffic.done;
      const took = await startStopwatch();
      await until(() => traffic.done > before + 20, 30_000);
      expect(await took()).toBeLessThan(5_000);
      await traffic.stopPushing();
      expect(await traffic.missing(10_000)).toEqual([]);
      await traffic.stop();
    });

    it("a push fails with UNAVAILABLE after pushTimeout, and close does not hang", async () => {
      await using server = await startServer("redis");
      const queue = queueOn(server.url, { library, pushTimeout: "1s", commandTimeout: "500ms" });
      await queue.push(createJob(1));
      await server.kill();
      const took = await startStopwatch();
      expect(await rejection(queue.push(createJob(2)))).toMatchObject({ code: "UNAVAILABLE", retryable: true });
      expect(await took()).toBeLessThan(2_500);
      await queue.close();
      expect(await took()).toBeLessThan(8_000);
    });

    it("calls under way fail with their connection, and are told as unknown", async () => {
      await using proxy = await startTcpProxy({ host: shared.host, port: shared.port });
      const prefix = `test:${randomUUID()}`;
      const driver = redisDriver({
        ...{ url: `redis://127.0.0.1:${proxy.port}`, library, prefix, commandTimeout: "30s" },
      });
      await driver.open(CONTEXT);
      await driver.push([itemOf("before")]); // now the server knows the script
      proxy.dropResponses();
      const took = await startStopwatch();
      const pushing = driver.push([itemOf("under way")]);
      const counting = driver.stats("default").catch((error: unknown) => error);
      const direct = redisDriver({ url: shared.url, prefix });
      await direct.open(CONTEXT);
      await until(async () => (await direct.stats("default")).pending === 2, 20_000);
      await direct.close();
      proxy.cut("reset");
      await proxy.pass();
      expect(await pushing).toEqual([{ status: "unknown" }]);
      expect(driver.classify(await counting)).toMatchObject({ code: "UNAVAILABLE", retryable: true });
      expect(await took()).toBeLessThan(15_000);
      await until(async () => (await driver.stats("default").catch(() => undefined))?.pending === 2, 5_000);
      await driver.close();
    });

    it("a connection that is only half there is given up, and a new one is made", async () => {
      await using proxy = await startTcpProxy({ host: shared.host, port: shared.port });
      await using queue = queueOn(`redis://127.0.0.1:${proxy.port}`, {
        library,
        pushTimeout: "1500ms",
        commandTimeout: "500ms",
      });
      await queue.push(createJob(1));
      // What has lost a byte carries nothing any more, also when the network is whole again; nobody ends it.
      proxy.halfOpen();
      expect(await rejection(queue.push(createJob(2)))).toMatchObject({ code: "UNAVAILABLE", retryable: true });
      await proxy.pass();
      await until(async () => (await queue.push(createJob(3)).catch(() => undefined)) !== undefined, 10_000);
    });

    it("a server that takes connections and does not greet is left for another try", async () => {
      await using proxy = await startTcpProxy({ host: shared.host, port: shared.port });
      await using queue = queueOn(`redis://127.0.0.1:${proxy.port}`, { library, commandTimeout: "500ms" });
      await queue.push(createJob(1));
      proxy.halfOpen();
      proxy.cut("reset");
      await wait(1_000);
      await proxy.pass();
      await until(async () => (await queue.getStats().catch(() => undefined)) !== undefined, 10_000);
    });

    it("closing while the connection for waiting is being made leaves no connection behind", async () => {
      await using proxy = await startTcpProxy({ host: shared.host, port: shared.port });
      const queue = queueOn(`redis://127.0.0.1:${proxy.port}`, { library });
      await queue.open();
      await proxy.refuse();
      const popping = queue.pop({ wait: "20s" }).catch(() => undefined);
      await wait(500);
      await queue.close();
      await popping;
      await proxy.pass();
      const before = proxy.counts.accepted;
      await wait(2_500);
      expect(proxy.counts).toMatchObject({ open: 0, accepted: before });
    });
  });
});

describe.runIf(await isServerAvailable("redis"))("a client that was handed in", async () => {
  const server = await startServer("redis");
  afterAll(() => server.remove());

  it("of ioredis is left open, and its listeners are taken off", async () => {
    const client = new Redis(server.url);
    const heard = (): readonly number[] => ["error", "ready", "close"].map((event) => client.listenerCount(event));
    const listeners = heard();
    const queue = queueOn(client);
    const worker = new Worker(queue, "default", async () => undefined);
    await worker.start();
    await queue.push(createJob(1));
    await until(async () => (await queue.getStats()).completedJobs === 1, 5_000);
    await worker.stop();
    await queue.close();
    expect(await client.ping()).toBe("PONG");
    expect(heard()).toEqual(listeners);
    // The duplicate that waited is gone.
    await until(
      async () =>
        String(await client.call("CLIENT", "LIST"))
          .trim()
          .split("\n").length === 1,
      2_000,
    );
    client.disconnect();
  });

  it("of node-redis is left open, and its listeners are taken off", async () => {
    const client = createClient({ url: server.url });
    await client.connect();
    const heard = (): readonly number[] => ["error", "ready"].map((event) => client.listenerCount(event));
    const listeners = heard();
    const queue = queueOn(client);
    await queue.push(createJob(1));
    expect((await queue.pop({ wait: "1s" }))?.payload).toBe(1);
    await queue.close();
    expect(await client.ping()).toBe("PONG");
    expect(heard()).toEqual(listeners);
    client.destroy();
  });

  it("with a keyPrefix is refused", async () => {
    const client = new Redis(server.url, { keyPrefix: "mine:", lazyConnect: true });
    expect(await rejection(queueOn(client).open())).toMatchObject({ code: "INVALID_ARGUMENT" });
    client.disconnect();
  });
});

describe.runIf(await isServerAvailable("redis"))("waiting", async () => {
  const server = await startServer("redis");
  afterAll(() => server.remove());

  it("blocks on a connection of its own, and hears of a queue that is asked for later", async () => {
    await using queue = queueOn(server.url);
    const first = queue.pop({ queue: "one", wait: "20s" });
    await wait(200);
    const second = queue.pop({ queue: "two", wait: "20s" });
    await wait(200);
    const took = await startStopwatch();
    await queue.push(createJob("for two", { queue: "two" }));
    expect((await second)?.payload).toBe("for two");
    await queue.push(createJob("for one", { queue: "one" }));
    expect((await first)?.payload).toBe("for one");
    // Far below the poll of a second: it was woken.
    expect(await took()).toBeLessThan(700);
  });

  it("blocks on what was asked for while its connection was made, too", async () => {
    const admin = new Redis(server.url);
    const monitor = await admin.monitor();
    const blocked: string[] = [];
    monitor.on("monitor", (_time: string, [command = "", ...keys]: string[]) => {
      if (command.toUpperCase() === "BLPOP") blocked.push(keys.join(" "));
    });
    await using proxy = await startTcpProxy({ host: server.host, port: server.port });
    await using queue = await queueOn(`redis://127.0.0.1:${proxy.port}`).open();
    proxy.slow({ latency: 200 });
    const stop = new AbortController();
    const waiting = [queue.pop({ queue: "one", wait: "20s", signal: stop.signal })];
    await wait(150);
    waiting.push(queue.pop({ queue: "two", wait: "20s", signal: stop.signal }));
    // Before the first one is over, which takes 5 s.
    await expect
      .poll(() => blocked.some((keys) => /one/.test(keys) && /two/.test(keys)), { timeout: 4_500 })
      .toBe(true);
    stop.abort();
    await Promise.allSettled(waiting);
    monitor.disconnect();
    admin.disconnect();
  });

  it("one push wakes one of two processes, and none is left asleep beside jobs", async () => {
    await using one = queueOn(server.url, { prefix: "woken" });
    await using two = queueOn(server.url, { prefix: "woken" });
    const waiting = [one, two].map((queue) => queue.pop({ wait: "20s" }));
    await wait(300);
    const took = await startStopwatch();
    await one.pushBatch([createJob(1), createJob(2)]);
    const got = await Promise.all(waiting);
    expect(new Set(got.map((job) => job?.payload))).toEqual(new Set([1, 2]));
    expect(await took()).toBeLessThan(700);
  });
});

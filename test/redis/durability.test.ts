import { Redis } from "ioredis";
import { describe, expect, it } from "vitest";
import { createJob } from "jobferry";
import { redisCommand } from "../../scripts/servers/redis-command.ts";
import { redisCapabilities, redisDriver } from "../../src/drivers/redis/index.ts";
import { isServerAvailable, startServer } from "../servers/shared-server.ts";
import { CONTEXT, openError, queueOn, rejection } from "./stage.ts";

describe.runIf(await isServerAvailable("redis"))("durability", () => {
  it("is what the server is set up for, and all else is as the capability table says", async () => {
    for (const [args, level] of [
      [[], "process"],
      [["--appendonly", "yes"], "serverCrash"],
      [["--appendonly", "yes", "--appendfsync", "always"], "power"],
    ] as const) {
      await using server = await startServer("redis", { args });
      const driver = redisDriver({ url: server.url });
      expect(await driver.open(CONTEXT)).toEqual(redisCapabilities(level, 1));
      await driver.close();
    }
  });

  it("power that the server cannot give is refused", async () => {
    await using server = await startServer("redis");
    const error = await openError(server.url, { durability: "power" });
    expect(error).toMatchObject({ code: "UNSUPPORTED" });
    expect(error.message).toContain("appendonly");
  });

  it("pushes that must reach replicas fail, retryable, where there are none", async () => {
    await using server = await startServer("redis");
    await using queue = queueOn(server.url, { replicas: 1, pushTimeout: "1s", commandTimeout: "300ms" });
    expect(await rejection(queue.push(createJob(1)))).toMatchObject({ code: "UNAVAILABLE", retryable: true });
  });

  it("pushes that must reach replicas are there on them", async () => {
    await using server = await startServer("redis-sentinel");
    await using queue = queueOn(server.url, { replicas: 1, prefix: "replicated" });
    await queue.push(createJob(1));
    const replica = new Redis(`redis://${server.endpoints["redis-replica"]}`);
    expect(await replica.hlen("{replicated}:jobs")).toBe(1);
    replica.disconnect();
  });

  it("a push whose server became a replica before it could wait may be stored or not, retryable", async () => {
    await using primary = await startServer("redis");
    await using server = await startServer("redis", { args: ["--replica-read-only", "no"] });
    await using queue = queueOn(server.url, { replicas: 1, pushTimeout: "1s" });
    await queue.open();
    await redisCommand({ port: server.port }, "REPLICAOF", primary.host, String(primary.port));
    expect(await rejection(queue.push(createJob(1)))).toMatchObject({ code: "UNAVAILABLE", retryable: true });
  });

  it("power by WAITAOF is refused by a server that does not know it, and an append-only file is labelled as what it is", async () => {
    await using server = await startServer("redis", { durable: true });
    const [major = 0, minor = 0] = server.version.split(".").map(Number);
    await using queue = queueOn(server.url);
    await queue.open();
    expect(queue.capabilities.durability).toBe("serverCrash");
    if (major > 7 || (major === 7 && minor >= 2)) return;
    const error = await openError(server.url, { durability: "power" });
    expect(error).toMatchObject({ code: "UNSUPPORTED" });
    expect(error.message).toContain("only always where the server is older than Redis 7.2");
  });
});

describe.runIf(await isServerAvailable("valkey"))("durability by WAITAOF", () => {
  const calls = async (url: string): Promise<number> => {
    const client = new Redis(url);
    const stats = await client.info("commandstats");
    client.disconnect();
    return Number(/cmdstat_waitaof:calls=(\d+)/.exec(stats)?.[1] ?? 0);
  };

  it.each(["ioredis", "redis"] as const)(
    "each push waits for the disk, and is there after SIGKILL, with %s",
    async (library) => {
      await using server = await startServer("valkey", { durable: true });
      const options = { library, durability: "power", prefix: "power" } as const;
      await using queue = queueOn(server.url, options);
      await queue.push(createJob(1));
      await queue.pushBatch([createJob(2), createJob(3, { priority: 1 }), createJob(4, { delay: "1h" })]);
      expect(queue.capabilities.durability).toBe("power");
      expect(await calls(server.url)).toBe(2);
      await server.kill();
      await server.restart();
      await using again = queueOn(server.url, options);
      expect(await again.getStats()).toMatchObject({ pendingJobs: 3, delayedJobs: 1 });
    },
  );

  it("an id that is known already waits, too: its first push may not have reached the disk", async () => {
    await using server = await startServer("valkey", { durable: true });
    await using queue = queueOn(server.url, { durability: "power" });
    const job = createJob(1);
    await queue.push(job);
    await queue.push(job);
    expect(await calls(server.url)).toBe(2);
    expect((await queue.getStats()).pendingJobs).toBe(1);
  });

  it("a server that never syncs confirms nothing, and is refused", async () => {
    await using server = await startServer("valkey", { durable: true, args: ["--appendfsync", "no"] });
    const error = await openError(server.url, { durability: "power" });
    expect(error).toMatchObject({ code: "UNSUPPORTED" });
    expect(error.message).toContain("appendfsync");
  });
});

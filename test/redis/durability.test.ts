import { Redis } from "ioredis";
import { describe, expect, it } from "vitest";
import { createJob } from "jobferry";
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

  it("waits for the disk with WAITAOF where the server knows it", async () => {
    await using server = await startServer("redis", { durable: true });
    const [major = 0, minor = 0] = server.version.split(".").map(Number);
    if (major > 7 || (major === 7 && minor >= 2)) {
      await using queue = queueOn(server.url, { durability: "power" });
      await queue.push(createJob(1));
      expect(queue.capabilities.durability).toBe("power");
      return;
    }
    expect(await openError(server.url, { durability: "power" })).toMatchObject({ code: "UNSUPPORTED" });
  });
});

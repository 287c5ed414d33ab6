/** A password that was wrong for a while must not explain an outage that comes later: that one is worth repeating. */
import { Redis } from "ioredis";
import { describe, expect, it } from "vitest";
import { createJob } from "../../src/entry/index.ts";
import { redisQueue } from "../../src/entry/redis.ts";
import { silentLogger } from "../../src/runtime/index.ts";
import { isServerAvailable, startServer } from "../servers/shared-server.ts";

const code = (push: Promise<unknown>): Promise<unknown> =>
  push.then(
    () => "stored",
    (error: { code?: unknown }) => error.code,
  );

describe.runIf(await isServerAvailable("redis"))("after a password was wrong for a while", () => {
  it.each(["ioredis", "redis"] as const)("an outage is UNAVAILABLE, with %s", async (library) => {
    await using server = await startServer("redis", { password: "right" });
    const url = `redis://:right@${server.host}:${server.port}`;
    const admin = new Redis(url);
    admin.on("error", () => undefined);
    const settings = {
      library,
      prefix: "stale",
      pushTimeout: "1s",
      commandTimeout: "500ms",
      logger: silentLogger,
    } as const;
    const queue = await redisQueue(url, settings).open();
    const push = (): Promise<unknown> => code(queue.push(createJob(1)));
    expect(await push()).toBe("stored");

    await admin.call("CONFIG", "SET", "requirepass", "other");
    await admin.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    await expect.poll(push, { timeout: 15_000 }).toBe("ACCESS_DENIED");
    await admin.call("CONFIG", "SET", "requirepass", "right");
    await expect.poll(push, { timeout: 15_000 }).toBe("stored");

    await server.kill();
    const codes = new Set<unknown>();
    for (let n = 0; n < 5; n += 1) codes.add(await push());
    expect([...codes]).toEqual(["UNAVAILABLE"]);
    admin.disconnect();
    await queue.close();
  });
});

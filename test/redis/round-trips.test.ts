import { Redis } from "ioredis";
import { describe, expect, test } from "vitest";
import type { Driver } from "../../src/contract/index.ts";
import { redisDriver } from "../../src/drivers/redis/index.ts";
import { callsPerBatch } from "../conformance/round-trips.ts";
import { isServerAvailable, startServer } from "../servers/shared-server.ts";
import { CONTEXT } from "./context.ts";

type Stats = Readonly<{ calls: number; usec: number }>;

describe.runIf(await isServerAvailable("redis"))("scripts on Redis", () => {
  test("claim, promote and recover in one; a batch of pushes, extends or ends is one, or two at once for ends of both kinds", async () => {
    await using server = await startServer("redis");
    const admin = new Redis(server.url);
    const driver = redisDriver({ url: server.url });
    await driver.open(CONTEXT);
    const asked = async (): Promise<number> => (await scripts(admin)).calls;
    // The first call of each script brings its text.
    await callsPerBatch(driver, asked);
    await driver.clear();
    const calls = await callsPerBatch(driver, asked);
    expect(calls).toEqual({ push: 1, claim: 1, finish: 2, extend: 1 });
    await driver.close();
    admin.disconnect();
  });

  test("none walks the whole queue: a claim beside 60,000 jobs takes less than three times as long as beside 600", async () => {
    await using server = await startServer("redis");
    const admin = new Redis(server.url);
    const few = await claims(server.url, admin, "few", 600);
    const many = await claims(server.url, admin, "many", 60_000);
    expect(many / few).toBeLessThan(3);
    admin.disconnect();
  });
});

/** Microseconds that the server takes for a claim of ten, the median of rounds, with so many waiting, and as many delayed, beside them. */
async function claims(url: string, admin: Redis, prefix: string, waiting: number): Promise<number> {
  const driver: Driver = redisDriver({ url, prefix });
  await driver.open(CONTEXT);
  const item = (delayMs: number) => ({
    ...{ id: crypto.randomUUID(), sequence: undefined, queue: "work", name: "default", priority: 0, tags: {} },
    ...{ delayMs, runAt: undefined, maxLosses: 3, createdAt: Date.now() },
    ...{ envelope: Uint8Array.of(1, 0), payload: new Uint8Array(20) },
  });
  for (let pushed = 0; pushed < waiting; pushed += 200)
    await driver.push([...Array(200).keys()].map((n) => item(n % 2 === 0 ? 0 : 3_600_000)));
  const took: number[] = [];
  for (let round = 0; round < 25; round += 1) {
    const before = await scripts(admin);
    const { reservations } = await driver.reserve({ queues: ["work"], max: 10, leaseMs: 60_000, waitMs: 0 });
    expect(reservations).toHaveLength(10);
    const after = await scripts(admin);
    took.push((after.usec - before.usec) / (after.calls - before.calls));
  }
  await driver.close();
  return took.toSorted((a, b) => a - b)[12] ?? 0;
}

async function scripts(admin: Redis): Promise<Stats> {
  const info = await admin.info("commandstats");
  const found = [...info.matchAll(/cmdstat_eval(?:sha)?:calls=(\d+),usec=(\d+)/g)];
  return {
    calls: found.reduce((sum, [, calls]) => sum + Number(calls), 0),
    usec: found.reduce((sum, [, , usec]) => sum + Number(usec), 0),
  };
}

import { setTimeout as pause } from "node:timers/promises";
import { redisDriver } from "../../src/drivers/redis/index.ts";
import { CONTEXT } from "./context.ts";

const [, , url = "", library] = process.argv;

/** Ends between two moments of the client's own timers, and in the middle of what they do. */
const STEPS = 8;
const STEP_MS = 4;
/** A cluster client asks for its slots that often. */
const ROUND_MS = 2_000;

await Promise.all(
  Array.from({ length: STEPS }, async (_, i) => {
    const driver = redisDriver({ url, library: library as "ioredis" | "redis" });
    await driver.open(CONTEXT);
    const { signal } = new AbortController();
    const waiting = driver.reserve({ queues: ["none"], max: 1, leaseMs: 1_000, waitMs: 60_000, signal });
    await pause(ROUND_MS + (i - STEPS / 2) * STEP_MS);
    await driver.close();
    await waiting;
  }),
);

import { describe, expect, it } from "vitest";
import { isServerAvailable, startServer } from "../servers/shared-server.ts";
import { queueOn, Traffic, until, wait } from "./stage.ts";

/** Redis replicates after it answered: what a primary confirmed in its last moments may be unknown to its successor. */
const LOST_AT_MOST = 20;

const LIBRARIES = ["ioredis", "redis"] as const;

describe.runIf(await isServerAvailable("redis-sentinel"))("Sentinel", () => {
  it.each(LIBRARIES)("workers outlive the death of the primary, with %s", async (library) => {
    await using server = await startServer("redis-sentinel");
    await using queue = queueOn(server.url, { library, pushTimeout: "30s", commandTimeout: "2s" });
    const traffic = new Traffic(queue);
    await traffic.start();
    await until(() => traffic.done > 50, 10_000);
    const primary = server.nodes.find(({ name }) => name === "redis-primary");
    await primary?.kill();
    const before = traffic.done;
    await until(() => traffic.done > before + 50, 25_000);
    await traffic.stopPushing();
    expect(await lostBy(traffic)).toBeLessThan(LOST_AT_MOST);
    await traffic.stop();
  });
});

/** Told, because it is what the guide says. */
async function lostBy(traffic: Traffic): Promise<number> {
  const lost = (await traffic.missing(8_000)).length;
  console.log(`${traffic.confirmed.size} pushes confirmed, ${lost} of them lost by the fail-over`);
  return lost;
}

describe.runIf(await isServerAvailable("redis-cluster"))("Cluster", () => {
  it.each(LIBRARIES)("workers outlive the death of a primary, with %s", async (library) => {
    await using server = await startServer("redis-cluster");
    await using queue = queueOn(server.url, { library, partitions: 3, pushTimeout: "30s", commandTimeout: "2s" });
    const traffic = new Traffic(queue);
    await traffic.start();
    await until(() => traffic.done > 50, 10_000);
    const [primary] = server.nodes;
    await primary?.kill();
    await wait(3_000);
    const before = traffic.done;
    await until(() => traffic.done > before + 100, 25_000);
    await traffic.stopPushing();
    expect(await lostBy(traffic)).toBeLessThan(LOST_AT_MOST);
    await traffic.stop();
  });
});

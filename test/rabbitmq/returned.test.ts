/** Pushes to a queue that somebody has deleted come back from the server: which of them is known by their ids. */
import { describe, expect, it } from "vitest";
import type { PushResult } from "../../src/contract/index.ts";
import { sharedServer } from "../servers/shared-server.ts";
import { startStopwatch } from "../stalls/stopwatch.ts";
import { beside, BOTH, drain, item, opened } from "./brokers.ts";

const told = (results: readonly PushResult[]): readonly string[] => results.map(({ status }) => status);

for (const name of BOTH) {
  const server = await sharedServer(name);
  if (server === undefined) continue;

  describe(`pushes that come back from ${name} ${server.version}`, () => {
    it("each of a batch is told as failed, whatever its id, and nothing else", async () => {
      const { driver, prefix } = await opened({ url: server.url });
      const { channel, close } = await beside(server.url);
      await driver.push([item({ queue: "gone" }), item({ queue: "there" })]);
      await channel.deleteQueue(`${prefix}.jobs.gone`);
      const results = await driver.push([
        ...["a", "\ud800", "x".repeat(300), "y".repeat(300)].map((id) => item({ queue: "gone", id })),
        item({ queue: "there", id: "c" }),
      ]);
      expect(told(results)).toEqual(["failed", "failed", "failed", "failed", "stored"]);
      expect(results[2]).toMatchObject({ error: { code: "UNAVAILABLE", retryable: true } });
      expect(told(await driver.push([item({ queue: "gone", id: "again" })]))).toEqual(["stored"]);
      expect(await drain(driver, "gone")).toEqual(["again"]);
      expect(await drain(driver, "there")).toContain("c");
      await driver.close();
      await close();
    });

    it("one id on its way to two queues: the one that is gone is told, the other is stored", async () => {
      const { driver, prefix } = await opened({ url: server.url });
      const { channel, close } = await beside(server.url);
      await driver.push([item({ queue: "gone" }), item({ queue: "there", id: "first" })]);
      await channel.deleteQueue(`${prefix}.jobs.gone`);
      const results = await driver.push([
        item({ queue: "gone", id: "twice" }),
        item({ queue: "there", id: "twice" }),
        item({ queue: "there", id: "other" }),
      ]);
      expect(told(results)).toEqual(["failed", "stored", "stored"]);
      expect(await drain(driver, "there")).toEqual(["first", "twice", "other"]);
      await driver.close();
      await close();
    });

    it("one id twice to a queue that is gone: neither is told as stored", async () => {
      const { driver, prefix } = await opened({ url: server.url });
      const { channel, close } = await beside(server.url);
      await driver.push([item({ queue: "gone" })]);
      await channel.deleteQueue(`${prefix}.jobs.gone`);
      const results = await driver.push(["twice", "twice"].map((id) => item({ queue: "gone", id })));
      expect(told(results)).toHaveLength(2);
      expect(told(results)).not.toContain("stored");
      await driver.close();
      await close();
    });

    it("thirty thousand that come back at once are all told so, in less time than an answer may take", async () => {
      const { driver, prefix } = await opened({ url: server.url, answerTimeout: "60s" });
      const { channel, close } = await beside(server.url);
      await driver.push([item({ queue: "gone" })]);
      await channel.deleteQueue(`${prefix}.jobs.gone`);
      const calls = Array.from({ length: 30 }, () => Array.from({ length: 1_000 }, () => item({ queue: "gone" })));
      const took = await startStopwatch();
      const results = await Promise.all(calls.map((items) => driver.push(items)));
      // Whoever looks through all of them for each needs more than two minutes (ADR 0173: 1.6 ms with 10,000).
      expect(await took()).toBeLessThan(50_000);
      expect(new Set(told(results.flat()))).toEqual(new Set(["failed"]));
      await driver.close();
      await close();
    });
  });
}

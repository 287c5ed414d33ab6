/** Pushes to a queue that somebody has deleted come back from the server: which of them is known by their ids. */
import { describe, expect, it } from "vitest";
import type { PushResult } from "../../src/contract/index.ts";
import { sharedServer } from "../servers/shared-server.ts";
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
        ...["a", "b", "x".repeat(300), "y".repeat(300)].map((id) => item({ queue: "gone", id })),
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

    it("an id that was on its way twice is told as unknown for both: nobody knows which of them came back", async () => {
      const { driver, prefix } = await opened({ url: server.url });
      const { channel, close } = await beside(server.url);
      await driver.push([item({ queue: "gone" }), item({ queue: "there", id: "first" })]);
      await channel.deleteQueue(`${prefix}.jobs.gone`);
      const results = await driver.push([
        item({ queue: "gone", id: "twice" }),
        item({ queue: "there", id: "twice" }),
        item({ queue: "there", id: "other" }),
      ]);
      expect(told(results)).toEqual(["unknown", "unknown", "stored"]);
      expect(await drain(driver, "there")).toEqual(["first", "twice", "other"]);
      await driver.close();
      await close();
    });
  });
}

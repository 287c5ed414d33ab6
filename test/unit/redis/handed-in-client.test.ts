import { createClient } from "redis";
import { expect, it } from "vitest";
import { redisQueue } from "jobferry/redis";
import { freePort } from "../../../scripts/servers/free-port.ts";
import { silentLogger } from "../../../src/runtime/index.ts";

it("a client of node-redis that was handed in and that a queue began to connect, in vain, goes on trying for the next time it is opened", async () => {
  const url = `redis://127.0.0.1:${await freePort()}`;
  const client = createClient({ url, socket: { reconnectStrategy: () => 10 } });
  const queue = redisQueue(client, { logger: silentLogger });
  await expect(queue.open()).rejects.toMatchObject({ code: "UNAVAILABLE", retryable: true });
  await queue.close();
  // Each is behind an error. Where nobody listened it ended the attempts, and left a client that is open and never ready.
  for (const _ of [1, 2]) await new Promise((resolve) => void client.once("reconnecting", resolve));
  client.destroy();
  await expect.poll(() => client.listenerCount("error")).toBe(0);
});

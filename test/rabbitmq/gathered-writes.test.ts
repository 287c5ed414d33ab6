/** A batch goes to the server in a few writes, and a single message at once. */
import type { Socket } from "node:net";
import { connect } from "amqplib";
import { describe, expect, it } from "vitest";
import type { AmqpClient } from "../../src/drivers/rabbitmq/index.ts";
import { sharedServer } from "../servers/shared-server.ts";
import { item, opened } from "./brokers.ts";

const server = await sharedServer("rabbitmq");

describe.runIf(server !== undefined)("writes to the socket", () => {
  it("a batch of 1,000 messages takes some dozens of them, and its answers are those of each", async () => {
    const clients: AmqpClient[] = [];
    const open = async (): Promise<AmqpClient> => {
      const client = await connect(server?.url ?? "");
      clients.push(client);
      return client;
    };
    const { driver } = await opened({ connect: open });
    await driver.push([item()]);
    const writes = countWrites(clients[0] as AmqpClient);
    await driver.push([item()]);
    expect(writes.count).toBe(1);
    const results = await driver.push(Array.from({ length: 1_000 }, () => item()));
    expect(results.every(({ status }) => status === "stored")).toBe(true);
    expect(writes.count).toBeLessThan(100);
    // A count is 0 when the queue's leader is silent for 250 ms.
    await expect.poll(async () => (await driver.stats("work")).pending).toBe(1_002);
    await driver.close();
  });
});

function countWrites(client: AmqpClient): { count: number } {
  const { stream } = client.connection as unknown as { stream: Socket };
  const writes = { count: 0 };
  for (const method of ["_write", "_writev"] as const) {
    const original = stream[method]?.bind(stream) as (...values: unknown[]) => void;
    stream[method] = (...values: unknown[]) => {
      writes.count += 1;
      original(...values);
    };
  }
  return writes;
}

import { once } from "node:events";
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { connect } from "node:tls";
import { describe, expect, it } from "vitest";
import { waitUntil } from "../../scripts/servers/wait-until.ts";
import type { RunningServer } from "../../scripts/servers/server.ts";
import { testLifeCycle } from "./life-cycle.ts";
import type { Access } from "./life-cycle.ts";
import { isServerAvailable, startServer } from "./shared-server.ts";

/** A quorum queue whose server ends a second or so after its declaration can come back empty, whatever was confirmed (docs/backends/rabbitmq.md). */
const SETTLE_MS = 3_000;

/** A message in a quorum queue: confirmed means on disk. */
const access: Access = {
  write: async (server) => {
    const queue = { durable: true, arguments: { "x-queue-type": "quorum" } };
    const message = { properties: {}, routing_key: "kept", payload: "yes", payload_encoding: "string" };
    await api(server, "PUT", "queues/%2F/kept", queue);
    await delay(SETTLE_MS);
    // On a busy machine a new queue has no leader for a moment, too.
    await waitUntil("the queue takes the message", async () => {
      const answer = await api(server, "POST", "exchanges/%2F/amq.default/publish", message);
      return (answer as { routed: boolean }).routed;
    });
  },
  // After a start the queue has no leader for a moment.
  read: async (server) => {
    let payload = "";
    await waitUntil("the message can be read", async () => {
      const get = { count: 1, ackmode: "ack_requeue_true", encoding: "auto" };
      const [first] = (await api(server, "POST", "queues/%2F/kept/get", get)) as { payload: string }[];
      payload = first?.payload ?? "";
      return first !== undefined;
    });
    return payload;
  },
  value: "yes",
};

for (const name of ["rabbitmq", "rabbitmq-4"] as const) await testLifeCycle(name, access);

describe.runIf(await isServerAvailable("rabbitmq"))("options of rabbitmq", () => {
  it("password, tls, plugins", async () => {
    await using server = await startServer("rabbitmq", { password: "a-secret", tls: true });
    expect(server.url).toMatch(/^amqps:\/\/127\.0\.0\.1:\d+$/);
    await expect(api(server, "GET", "overview")).rejects.toThrow("401");
    expect(await api(server, "GET", "overview", undefined, "a-secret")).toMatchObject({ node: expect.any(String) });

    const socket = connect({ port: server.port, host: server.host, ca: readFileSync(server.ca ?? ""), servername: "" });
    await once(socket, "secureConnect");
    socket.write("AMQP\0\0\x09\x01");
    const [answer] = (await once(socket, "data")) as [Buffer];
    socket.destroy();
    // A frame of the first channel, number 0: the broker talks AMQP.
    expect([...answer.subarray(0, 3)]).toEqual([1, 0, 0]);
  });
});

async function api(
  { endpoints }: RunningServer,
  method: string,
  path: string,
  body?: object,
  password = "guest",
): Promise<unknown> {
  const headers = { authorization: `Basic ${btoa(`guest:${password}`)}`, "content-type": "application/json" };
  const url = `${endpoints["management"] ?? ""}/api/${path}`;
  const response = await fetch(url, { method, headers, ...(body ? { body: JSON.stringify(body) } : {}) });
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status}`);
  const text = await response.text();
  return text === "" ? undefined : JSON.parse(text);
}

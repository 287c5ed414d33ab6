import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { JuteWriter } from "../../../src/drivers/zookeeper/client/jute.ts";
import { Servers } from "../../../src/drivers/zookeeper/client/servers.ts";
import { systemClock } from "../../../src/runtime/index.ts";

/** Of 36 bytes: no version, 10 s, session 77, a password. */
const GREETING = new JuteWriter().int(36).int(0).int(10_000).long(77n).bytes(new Uint8Array(16)).finish();

async function serverThat(does: (socket: Socket) => unknown) {
  const open = new Set<Socket>();
  const listener = createServer((socket) => {
    open.add(socket.on("error", () => undefined).on("close", () => open.delete(socket)));
    socket.once("data", () => does(socket));
  }).listen(0, "127.0.0.1");
  await once(listener, "listening");
  onTestFinished(() => {
    for (const socket of open) socket.destroy();
    listener.close();
  });
  return { host: "127.0.0.1", port: (listener.address() as AddressInfo).port };
}

/** One that does not serve yet ends each connection, the other one says nothing until `greets` is set, and then takes so long. */
async function ensemble() {
  const state = { greetsAfterMs: undefined as number | undefined };
  const electing = await serverThat((socket) => socket.destroy());
  const hanging = await serverThat(async (socket) => {
    if (state.greetsAfterMs === undefined) return;
    await pause(state.greetsAfterMs);
    socket.write(GREETING);
  });
  const times = { clock: systemClock, connectMs: 60_000, callMs: 3_000 };
  const rest = { login: undefined, tls: undefined, maxRequestBytes: 1_048_575 };
  const servers = new Servers({ ...times, ...rest, addresses: [hanging, electing] });
  const attach = async (withinMs: number): Promise<number | string> => {
    const begun = performance.now();
    try {
      const connection = await servers.attach({ timeoutMs: 10_000, withinMs });
      connection.destroy("The test is over.");
      return connection.address === hanging ? "hanging" : "electing";
    } catch {
      return performance.now() - begun;
    }
  };
  return { state, attach };
}

test("a server that hangs does not keep a client from asking again those that elect a leader", async () => {
  const { attach } = await ensemble();
  await attach(500);
  expect(await attach(40_000)).toBeLessThan(10_000);
});

test("a server that is slow, where no other one serves, is had after a few tries", async () => {
  const { state, attach } = await ensemble();
  await attach(500);
  state.greetsAfterMs = 600;
  const tries = [await attach(40_000), await attach(40_000), await attach(40_000), await attach(40_000)];
  expect(tries).toContain("hanging");
});

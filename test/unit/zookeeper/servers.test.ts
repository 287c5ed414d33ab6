import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { expect, onTestFinished, test, vi } from "vitest";
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

/** The first one says nothing until `greetsAfterMs` is set, and then takes so long. The other one does not serve yet: it hangs up, or is silent, too. */
async function ensemble() {
  const state = { greetsAfterMs: undefined as number | undefined, areAllSilent: false };
  const hanging = await serverThat(async (socket) => {
    if (state.greetsAfterMs === undefined) return;
    await pause(state.greetsAfterMs);
    socket.write(GREETING);
  });
  const electing = await serverThat((socket) => state.areAllSilent || socket.destroy());
  const clock = { ...systemClock, random: () => 0 };
  const rest = { connectMs: 60_000, callMs: 3_000, login: undefined, tls: undefined, maxRequestBytes: 1_048_575 };
  const servers = new Servers({ clock, ...rest, addresses: [hanging, electing] });
  /** How long it took to fail, or that it did not. */
  const attach = async (withinMs: number): Promise<number | "attached"> => {
    const begun = performance.now();
    try {
      (await servers.attach({ timeoutMs: 10_000, withinMs })).destroy("The test is over.");
      return "attached";
    } catch {
      return performance.now() - begun;
    }
  };
  return { state, attach };
}

/** Of which half is the least that a server with a whole turn gets. */
const LONG_MS = 40_000;

test("a server that hangs does not keep a client from asking again those that elect a leader", async () => {
  const { attach } = await ensemble();
  await attach(1_000);
  for (let tries = 0; tries < 3; tries += 1) expect(await attach(LONG_MS)).toBeLessThan(LONG_MS / 4);
});

test("nor after many met it at once", async () => {
  const { attach } = await ensemble();
  await Promise.all(Array.from({ length: 6 }, () => attach(1_000)));
  expect(await attach(LONG_MS)).toBeLessThan(LONG_MS / 4);
});

test("nor after a moment in which all were silent", async () => {
  const { state, attach } = await ensemble();
  state.areAllSilent = true;
  await attach(500);
  state.areAllSilent = false;
  await attach(1_000);
  expect(await attach(LONG_MS)).toBeLessThan(LONG_MS / 4);
});

test("a server that is slow, where no other one serves, has its whole turn again after a while", async () => {
  const { state, attach } = await ensemble();
  await attach(1_000);
  state.greetsAfterMs = 600;
  await vi.waitFor(async () => expect(await attach(LONG_MS)).toBe("attached"), 30_000);
});

import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { expect, onTestFinished, test, vi } from "vitest";
import type { Connection } from "../../../src/drivers/zookeeper/client/connection.ts";
import { JuteWriter } from "../../../src/drivers/zookeeper/client/jute.ts";
import { KeptClient } from "../../../src/drivers/zookeeper/client/kept-client.ts";
import { RequestLimit } from "../../../src/drivers/zookeeper/client/request-limit.ts";
import { frameOf, requests, type Request } from "../../../src/drivers/zookeeper/client/requests.ts";
import { Servers } from "../../../src/drivers/zookeeper/client/servers.ts";
import { answerError, Code, ZookeeperError } from "../../../src/drivers/zookeeper/client/zookeeper-error.ts";
import { Deferred } from "../../../src/runtime/index.ts";
import { virtualClock } from "../../../src/testing/virtual-clock.ts";

const address = { host: "h", port: 1 };
const MOST = 1_048_575;
/** Of what would hang. */
const SOON_MS = 10_000;
/** Of 36 bytes: no version, 10 s, session 77, a password. */
const GREETING = new JuteWriter().int(36).int(0).int(10_000).long(77n).bytes(new Uint8Array(16)).finish();

/** `most`: of a server that ends the connection beneath what is larger. `cuts`: questions, counted from 1, beneath which the line breaks by itself. */
function server(most: number) {
  const clock = virtualClock();
  const state = { most, asked: [] as number[], cuts: [] as number[], isAway: false, atOnce: 0, mostAtOnce: 0 };
  const connect = async (): Promise<Connection> => {
    if (state.isAway) throw new ZookeeperError("refused", "It is away.");
    state.atOnce += 1;
    state.mostAtOnce = Math.max(state.mostAtOnce, state.atOnce);
    let isOver = false;
    const connection = {
      cutOffBytes: 0,
      destroy: () => {
        if (!isOver) state.atOnce -= 1;
        isOver = true;
      },
      call: async (request: Request) => {
        const bytes = frameOf(request, 1).length - 4;
        if (request.opcode === requests.closeSession.opcode) throw answerError(Code.noNode, "/");
        state.asked.push(bytes);
        if (bytes <= state.most && !state.cuts.includes(state.asked.length)) throw answerError(Code.noNode, "/");
        connection.cutOffBytes = bytes;
        throw new ZookeeperError("lost", "It ended the connection.");
      },
    };
    return connection as unknown as Connection;
  };
  const limit = new RequestLimit({ clock, most: MOST, connect });
  return { clock, state, limit };
}

test.each([5_000, 20_000, 300_000, 1_000_000])("a limit of %i bytes is found to a sixteenth", async (most) => {
  const { state, limit } = server(most);
  await limit.suspect(address, 1_048_575);
  expect(limit.bytes).toBeLessThanOrEqual(most);
  expect(limit.bytes).toBeGreaterThanOrEqual(most / 1.07);
  expect(state.asked.length).toBeLessThan(14);
});

test("a server that takes as much, is away, or refuses everything has no limit that is known", async () => {
  const { state, limit } = server(1_048_575);
  await limit.suspect(address, 500_000);
  state.isAway = true;
  await limit.suspect(address, 500_000);
  Object.assign(state, { isAway: false, most: 0 });
  await limit.suspect(address, 500_000);
  expect(limit.bytes).toBe(1_048_575);
});

test("after a minute one question tells whether the limit is another, and nothing is asked before", async () => {
  const { clock, state, limit } = server(20_000);
  await limit.suspect(address, 100_000);
  const asked = state.asked.length;
  expect(await limit.takes(address, 100_000)).toBe(false);
  expect(state.asked).toHaveLength(asked);
  await clock.advance("61s");
  expect(await limit.takes(address, 100_000)).toBe(false);
  expect(await limit.takes(address, 100_000)).toBe(false);
  expect(state.asked).toHaveLength(asked + 1);
  state.most = 1_000_000;
  await clock.advance("61s");
  expect(await limit.takes(address, 100_000)).toBe(true);
  expect(limit.bytes).toBe(MOST);
});

test("what lies between the taken and the refused is asked for by its size, once for all who wait", async () => {
  const { state, limit } = server(500_000);
  await limit.suspect(address, 1_000_000);
  expect(limit.bytes).toBeLessThan(498_000);
  state.asked = [];
  const sizes = [499_000, 500_000, 500_001, 500_000, 499_000, 500_001];
  const answers = await Promise.all(sizes.map((bytes) => limit.takes(address, bytes)));
  expect(answers).toEqual([true, true, false, true, true, false]);
  expect(state.asked).toEqual([499_000, 500_000, 500_001, 500_000, 500_001]);
  expect(state.mostAtOnce).toBe(1);
  expect(limit.bytes).toBe(500_000);
});

test("what lies between is asked for after the minute, too, and is not refused where nothing tells", async () => {
  const { clock, state, limit } = server(500_000);
  await limit.suspect(address, 1_000_000);
  await clock.advance("61s");
  state.isAway = true;
  expect(await limit.takes(address, 500_000)).toBeUndefined();
  expect(await limit.takes(address, 1_000_000)).toBe(false);
  state.isAway = false;
  expect(await limit.takes(address, 500_000)).toBe(true);
  expect(await limit.takes(address, MOST + 1)).toBe(false);
});

test("a line that breaks by itself beneath any one question is not taken for a limit", async () => {
  for (let cut = 1; cut < 14; cut += 1) {
    const { state, limit } = server(MOST);
    state.cuts = [cut];
    await limit.suspect(address, 5_000);
    expect(limit.bytes).toBe(MOST);
    const low = server(200_000);
    low.state.cuts = [cut];
    await low.limit.suspect(address, 1_000_000);
    expect(low.limit.bytes).toBeGreaterThanOrEqual(200_000 / 1.07);
  }
});

test("a line that breaks beneath the question about a size between refuses nothing", async () => {
  const { state, limit } = server(500_000);
  await limit.suspect(address, 1_000_000);
  state.cuts = [state.asked.length + 1];
  expect(await limit.takes(address, 499_000)).toBeUndefined();
  expect(await limit.takes(address, 499_000)).toBe(true);
});

test("closing ends the question that hangs, and none comes after it", { timeout: SOON_MS }, async () => {
  const clock = virtualClock();
  let asked = 0;
  const connect = async (): Promise<Connection> => {
    asked += 1;
    const over = new Deferred();
    const destroy = (): void => over.reject(new ZookeeperError("lost", "It is closed."));
    return { cutOffBytes: 0, destroy, call: () => over.promise } as unknown as Connection;
  };
  const limit = new RequestLimit({ clock, most: MOST, connect });
  const suspected = limit.suspect(address, 1_000_000);
  await vi.waitFor(() => expect(asked).toBe(1));
  await limit.close();
  await suspected;
  await limit.suspect(address, 1_000_000);
  expect(asked).toBe(1);
  expect(clock.armed).toBe(0);
});

/** Ends its first connection beneath the first request, and greets no other. */
async function hangingServer() {
  const open = new Set<Socket>();
  const seen = { connections: 0, open };
  const listener = createServer((socket) => {
    open.add(socket);
    socket.on("close", () => open.delete(socket)).on("error", () => undefined);
    seen.connections += 1;
    const isFirst = seen.connections === 1;
    socket.once("data", () => {
      if (isFirst) socket.write(GREETING);
      socket.on("data", () => isFirst && socket.destroy());
    });
  }).listen(0, "127.0.0.1");
  await once(listener, "listening");
  onTestFinished(() => {
    for (const socket of open) socket.destroy();
    listener.close();
  });
  return { ...(listener.address() as AddressInfo), seen };
}

test(
  "a client that is closed while it looks for the limit leaves no connection and no timer",
  { timeout: SOON_MS },
  async () => {
    const clock = virtualClock();
    const { port, seen } = await hangingServer();
    const addresses = [{ host: "127.0.0.1", port }];
    const times = { clock, connectMs: 5_000, callMs: 3_000 };
    const servers = new Servers({ ...times, addresses, login: undefined, tls: undefined, maxRequestBytes: MOST });
    const client = new KeptClient({ servers, ...times }, { event: () => undefined, reconnected: () => undefined });
    await client.open();
    const call = client.call(requests.exists(`/${"x".repeat(6_000)}`)).catch((error: unknown) => error);
    // Its own, the next of its own, and the question's.
    await vi.waitFor(() => expect(seen.connections).toBe(3));
    await client.close();
    expect(clock.armed).toBe(0);
    expect(await call).toMatchObject({ kind: "lost" });
    await vi.waitFor(() => expect(seen.open.size).toBe(0));
  },
);

// That a renewal is believed only where it counts: by the leader of the servers, with a majority behind it.
import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import type { CoordinationStore } from "../../src/contract/index.ts";
import { zookeeperCoordinationStore } from "../../src/drivers/zookeeper/index.ts";
import { systemClock } from "../../src/runtime/index.ts";
import type { ServerNode } from "../../scripts/servers/server.ts";
import { waitFor } from "../../scripts/servers/wait-until.ts";
import { zookeeperLeader } from "../../scripts/servers/zookeeper-cluster.ts";
import { startTcpProxy } from "../faults/tcp-proxy.ts";
import { isServerAvailable, sharedServer, startServer } from "../servers/shared-server.ts";

async function opened(servers: readonly string[], root: string): Promise<CoordinationStore & AsyncDisposable> {
  const store = zookeeperCoordinationStore({ servers, root, callTimeout: "1s", connectTimeout: "3s" });
  await store.open({ clock: systemClock });
  return Object.assign(store, { [Symbol.asyncDispose]: () => store.close() });
}

const answerOf = (call: Promise<string>): Promise<string> => call.catch(() => "no answer");

describe.runIf(await isServerAvailable("zookeeper-cluster"))("sessions on three servers", () => {
  it("a server that answers and has no majority, or no leader, renews nothing; the session lives when they are back", async () => {
    await using cluster = await startServer("zookeeper-cluster");
    const leader = await waitFor("a leader", () => zookeeperLeader(cluster));
    const [follower, other] = cluster.nodes.filter((node) => node !== leader) as [ServerNode, ServerNode];
    for (const [to, paused] of [
      [leader, [follower, other]],
      [follower, [leader, other]],
    ] as const) {
      await using store = await opened([`127.0.0.1:${to.port}`], `/test-${randomUUID()}`);
      const session = await store.openSession(20_000);
      expect(await session.renew()).toBe("ok");
      await Promise.all(paused.map((node) => node.pause()));
      // Its word alone: it would answer a ping now.
      expect(await answerOf(session.renew())).toBe("no answer");
      await Promise.all(paused.map((node) => node.resume()));
      await expect.poll(() => answerOf(session.renew()), { timeout: 20_000, interval: 100 }).toBe("ok");
      await session.close();
      expect(await session.renew()).toBe("lost");
    }
  });

  it("a session goes on at another server, with its keys, when its own is killed", async () => {
    await using cluster = await startServer("zookeeper-cluster");
    const servers = cluster.nodes.map(({ port }) => `127.0.0.1:${port}`);
    await using store = await opened(servers, `/test-${randomUUID()}`);
    const sessions = await Promise.all(Array.from({ length: 6 }, () => store.openSession(20_000)));
    for (const { id } of sessions)
      await store.transact([], [{ put: `a/b/${id}`, value: new Uint8Array(), session: id }]);
    for (const node of cluster.nodes) {
      await node.kill();
      await expect
        .poll(() => Promise.all(sessions.map((session) => answerOf(session.renew()))), { timeout: 20_000 })
        .toEqual(sessions.map(() => "ok"));
      await node.restart();
    }
    expect(
      (await store.list("a/b/")).entries.map(({ key }) => key.slice(4)).toSorted((a, b) => (a < b ? -1 : 1)),
    ).toEqual(sessions.map(({ id }) => id).toSorted((a, b) => (a < b ? -1 : 1)));
  });
});

const server = await sharedServer("zookeeper");
describe.runIf(server !== undefined)("sessions", () => {
  it("writes under a session go on beside its renewals, and none is lost or told as failed", async () => {
    await using store = await opened([`127.0.0.1:${server?.port}`], `/test-${randomUUID()}`);
    const session = await store.openSession(10_000);
    const end = performance.now() + 1_500;
    let written = 0;
    const writing = Array.from({ length: 8 }, async (_, lane) => {
      for (let n = 0; performance.now() < end; n += 1) {
        const put = { put: `a/b/${lane}-${n}`, value: new Uint8Array(), session: session.id };
        expect(await store.transact([{ key: put.put, absent: true }], [put])).toMatchObject({ ok: true });
        written += 1;
      }
    });
    while (performance.now() < end) {
      expect(await session.renew()).toBe("ok");
      await delay(20);
    }
    await Promise.all(writing);
    expect((await store.list("a/b/")).entries).toHaveLength(written);
    await session.close();
    expect((await store.list("a/b/")).entries).toEqual([]);
  });

  it("renews that overlap all answer, and a session leaves no connection behind", async () => {
    await using proxy = await startTcpProxy({ host: "127.0.0.1", port: server?.port ?? 0 });
    await using store = await opened([`127.0.0.1:${proxy.port}`], `/test-${randomUUID()}`);
    const session = await store.openSession(10_000);
    expect(await Promise.all(Array.from({ length: 10 }, () => session.renew()))).toEqual(Array(10).fill("ok"));
    expect(proxy.counts.accepted).toBeGreaterThan(10);
    await expect.poll(() => proxy.counts.open).toBe(2);
    await session.close();
    await expect.poll(() => proxy.counts.open).toBe(1);
    await store.close();
    await expect.poll(() => proxy.counts.open).toBe(0);
  });
});

/** The client by itself: many calls at once, deadlines, endpoints that fail, and that nothing stays. */
import { createServer as createNetServer, type AddressInfo, type Socket } from "node:net";
import { describe, expect, it } from "vitest";
import { freePort } from "../../scripts/servers/free-port.ts";
import { etcdLeader } from "../../scripts/servers/etcd-cluster.ts";
import { waitFor } from "../../scripts/servers/wait-until.ts";
import type { EtcdClient } from "../../src/drivers/etcd/client/etcd-client.ts";
import { ClientClosed, NoAnswer, NotReached, TooMuchAtOnce } from "../../src/drivers/etcd/client/failures.ts";
import { startTcpProxy } from "../faults/tcp-proxy.ts";
import { isServerAvailable, sharedServer, startServer } from "../servers/shared-server.ts";
import { addressesOf, bytesOf, clientOn, failureOf, until, wait } from "./stage.ts";

const put = (key: string, value = "x") => ({ put: `client/${key}`, value: bytesOf(value) });

/** Its connection stands then. */
async function revisionOf(client: EtcdClient): Promise<bigint> {
  return (await client.transact([], [put("something")])).revision;
}

async function watchesNothing(client: EtcdClient, revision: bigint): Promise<void> {
  for await (const changes of client.watch("client/nothing", revision + 1n, new AbortController().signal))
    throw new Error(`nobody writes there: ${changes === "gap" ? "a gap" : "changes"}`);
}

const server = await sharedServer("etcd");
describe.runIf(server !== undefined)("the client of etcd", () => {
  const address = server ?? { host: "", port: 0 };

  it("has 1,000 calls under way on one connection, each with its own answer", async () => {
    await using proxy = await startTcpProxy(address);
    // A hundred go at a time, and each one's time counts from its call.
    await using client = clientOn([proxy], { callMs: 60_000 });
    const keys = Array.from({ length: 1_000 }, (_, n) => `many/${n}`);
    await Promise.all(keys.map((key) => client.transact([], [put(key, key)])));
    const found = await Promise.all(keys.map((key) => client.get(`client/${key}`)));
    expect(found.map((entry) => Buffer.from(entry?.value ?? "").toString())).toEqual(keys);
    expect(proxy.counts.accepted).toBe(1);
  });

  it("lists more than a page, and entries that together are larger than an answer may be", async () => {
    await using proxy = await startTcpProxy(address);
    await using client = clientOn([proxy]);
    const { listKeys } = await import("../../src/drivers/etcd/listing.ts");
    const names = Array.from({ length: 2_500 }, (_, n) => `pages/${String(n).padStart(5, "0")}`);
    for (let at = 0; at < names.length; at += 100)
      await client.transact(
        [],
        names.slice(at, at + 100).map((name) => put(name)),
      );
    const listed = await listKeys(client, "client/pages/");
    expect(listed.entries.map(({ key }) => key)).toEqual(names.map((name) => `client/${name}`));
    const large = "y".repeat(1_000_000);
    for (let n = 0; n < 40; n += 1) await client.transact([], [put(`large/${n}`, large)]);
    const { entries } = await listKeys(client, "client/large/");
    expect(entries.map(({ value }) => value.length)).toEqual(Array.from({ length: 40 }, () => 1_000_000));
    await client.transact(
      [],
      Array.from({ length: 40 }, (_, n) => ({ delete: `client/large/${n}` })),
    );
  });

  it("refuses what is too much at once, and goes on", async () => {
    await using client = clientOn([address]);
    const value = new Uint8Array(1_000_000);
    const calls = Array.from({ length: 200 }, (_, n) => client.transact([], [{ put: `client/flood/${n % 5}`, value }]));
    const results = await Promise.allSettled(calls);
    const failed = results.flatMap((result) => (result.status === "rejected" ? [result.reason] : []));
    expect(failed.length).toBeGreaterThan(20);
    expect(failed.filter((error) => !(error instanceof TooMuchAtOnce || error instanceof NoAnswer))).toEqual([]);
    expect(failed.some((error) => error instanceof TooMuchAtOnce)).toBe(true);
    // The server may still be at what was given up here.
    await expect
      .poll(() => client.transact([], [put("after")]), { timeout: 30_000 })
      .toMatchObject({ succeeded: true });
  });

  it("has 1,000 watches on one stream, and ends the stream with the last", async () => {
    await using proxy = await startTcpProxy(address);
    await using client = clientOn([proxy]);
    const { revision } = await client.transact([], [put("watched/none")]);
    const stop = new AbortController();
    const heard: string[] = [];
    const watches = Array.from({ length: 1_000 }, async (_, n) => {
      for await (const changes of client.watch(`client/watched/${n}/`, revision + 1n, stop.signal))
        if (changes !== "gap") heard.push(...changes.events.map(({ key }) => key));
    });
    await client.transact([], [put("watched/7/a"), put("watched/999/b")]);
    await until(() => heard.length === 2, 10_000);
    expect(heard.toSorted()).toEqual(["client/watched/7/a", "client/watched/999/b"]);
    stop.abort();
    await Promise.all(watches);
    expect(proxy.counts.accepted).toBe(1);
    expect(await client.get("client/watched/7/a")).toBeDefined();
  });

  it("tells a call without an answer within its time, and does not send it twice", async () => {
    await using proxy = await startTcpProxy(address);
    await using client = clientOn([proxy], { callMs: 700 });
    const before = await client.transact([], [put("once")]);
    proxy.dropResponses();
    const start = performance.now();
    expect(await failureOf(client.transact([], [put("once")]))).toBeInstanceOf(NoAnswer);
    expect(performance.now() - start).toBeGreaterThan(600);
    proxy.cut("reset");
    await proxy.pass();
    await until(() => proxy.counts.open === 0, 5_000);
    await wait(100);
    const { entries } = await client.range({ prefix: "client/once", limit: 1 });
    expect(entries[0]?.modRevision).toBe(before.revision + 1n);
  });

  it("gives up a connection that looks open and carries nothing, before the call's own time is over", async () => {
    await using proxy = await startTcpProxy(address);
    await using client = clientOn([proxy], { callMs: 20_000 });
    await client.get("client/any");
    proxy.halfOpen();
    const start = performance.now();
    expect(await failureOf(client.get("client/any"))).toBeInstanceOf(NoAnswer);
    const ms = performance.now() - start;
    expect(ms).toBeGreaterThan(1_400);
    expect(ms).toBeLessThan(10_000);
  });

  it("ends a watch whose connection went silent", async () => {
    await using proxy = await startTcpProxy(address);
    await using client = clientOn([proxy]);
    const { revision } = await client.transact([], [put("silent")]);
    const watching = (async () => {
      for await (const changes of client.watch("client/silent", revision + 1n, new AbortController().signal))
        expect(changes).toBe("nothing");
    })();
    await wait(200);
    proxy.halfOpen();
    expect(await failureOf(watching)).toBeInstanceOf(NoAnswer);
  });

  it("close rejects what is under way, and ends watches", async () => {
    await using proxy = await startTcpProxy(address);
    const client = clientOn([proxy]);
    const watching = watchesNothing(client, await revisionOf(client));
    await wait(100);
    proxy.halfOpen();
    const hanging = failureOf(client.get("client/any"));
    await client.close();
    expect(await hanging).toBeInstanceOf(ClientClosed);
    await watching;
    expect(await failureOf(client.get("client/any"))).toBeInstanceOf(ClientClosed);
  });

  it("close leaves no connection", async () => {
    await using proxy = await startTcpProxy(address);
    const client = clientOn([proxy]);
    const watching = watchesNothing(client, await revisionOf(client));
    await wait(100);
    expect(proxy.counts.open).toBe(1);
    await client.close();
    await watching;
    await until(() => proxy.counts.open === 0, 5_000);
  });

  it("goes to the next endpoint where one refuses, hangs at once, or is none of etcd's", async () => {
    const sockets: Socket[] = [];
    const mute = createNetServer((socket) => sockets.push(socket));
    await new Promise<void>((resolve) => mute.listen(0, "127.0.0.1", resolve));
    const bad = [
      { host: "127.0.0.1", port: await freePort() },
      { host: "127.0.0.1", port: (mute.address() as AddressInfo).port },
    ];
    for (const other of bad) {
      // Whichever of the two it begins with.
      for (let n = 0; n < 4; n += 1) {
        await using client = clientOn([other, address]);
        expect(await client.transact([], [put("either")])).toMatchObject({ succeeded: true });
      }
    }
    await using none = clientOn(bad, { callMs: 5_000 });
    expect(await failureOf(none.get("client/any"))).toBeInstanceOf(NotReached);
    for (const socket of sockets) socket.destroy();
    mute.close();
  });
});

describe.runIf(await isServerAvailable("etcd-cluster"))("the client of a cluster", () => {
  it.each(["kill", "pause"] as const)(
    "goes on when the leader's process, where it is connected, gets a %s",
    async (how) => {
      await using cluster = await startServer("etcd-cluster");
      const leader = await waitFor("a leader", () => etcdLeader(cluster));
      const others = cluster.nodes.filter((node) => node !== leader);
      const addressOf = ({ port }: Readonly<{ port: number }>) => ({ host: "127.0.0.1", port });
      // Connected to the leader first: the others refuse for a moment.
      const proxies = await Promise.all(others.map((node) => startTcpProxy(addressOf(node))));
      await Promise.all(proxies.map((proxy) => proxy.refuse()));
      await using client = clientOn([addressOf(leader), ...proxies], { callMs: 2_000 });
      await client.transact([], [put("failover", "before")]);
      await Promise.all(proxies.map((proxy) => proxy.pass()));
      await leader[how]();
      const voted = waitFor("another leader", () => etcdLeader({ nodes: others })).then(() => performance.now());
      voted.catch(() => undefined); // told below
      const took = await until(async () => {
        const written = await client.transact([], [put("failover", "after")]).catch(() => undefined);
        return written?.succeeded === true;
      }, 80_000);
      console.log(`writes go on ${took.toFixed(0)} ms after the leader got a ${how}`);
      // How long the others vote is not the client's.
      expect(performance.now() - (await voted)).toBeLessThan(10_000);
      expect(addressesOf(cluster)).toHaveLength(3);
      await leader.resume();
      await client.close();
      await Promise.all(proxies.map((proxy) => proxy.close()));
    },
    300_000,
  );
});

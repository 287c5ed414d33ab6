// The client against a real server: limits, fail-over, deadlines, and that others read what it wrote.
import { describe, expect, test } from "vitest";
import { consulRequest } from "../../scripts/servers/consul-request.ts";
import { freePort } from "../../scripts/servers/free-port.ts";
import { ConsulClient } from "../../src/drivers/consul/client/consul-client.ts";
import { NoAnswer, Refusal } from "../../src/drivers/consul/client/consul-errors.ts";
import { KeyValues, type Verb } from "../../src/drivers/consul/client/key-values.ts";
import { systemClock } from "../../src/runtime/index.ts";
import { startTcpProxy } from "../faults/tcp-proxy.ts";
import { isServerAvailable, sharedServer, startServer } from "../servers/shared-server.ts";
import { LosingProxy } from "./losing-proxy.ts";
import { bytes, errorOf, openStore } from "./stage.ts";

const HOST = "127.0.0.1";
const clientOf = (ports: readonly number[], callMs = 2_000): ConsulClient => {
  const [first = 0, ...others] = ports;
  const endpoints = [{ host: HOST, port: first }, ...others.map((port) => ({ host: HOST, port }))] as const;
  return new ConsulClient({ address: { endpoints }, token: undefined, tls: undefined, callMs, clock: systemClock });
};
const gets = (count: number): readonly Verb[] =>
  Array.from({ length: count }, () => ({ verb: "get-tree", key: "none/" }));

const server = await sharedServer("consul");

describe.runIf(server !== undefined)("the client of consul", () => {
  const port = server?.port ?? 0;
  /** A wait on a prefix that has no key ends with any write, also of others. */
  const putKey = (key: string): Promise<unknown> => consulRequest({ port }, "PUT", `/v1/kv/${key}`, "x");

  test("a transaction takes 128 steps, and the server's own refusal tells it", async () => {
    const client = clientOf([port]);
    const keys = new KeyValues(client, "test/limits/");
    expect((await keys.commit(keys.bodyOf(gets(128)))).ok).toBe(true);
    const refused: unknown = await keys.commit(keys.bodyOf(gets(129))).catch((error: unknown) => error);
    expect(refused).toMatchObject({ status: 413, text: "Transaction contains too many operations (129 > 128)" });
    expect(refused).toBeInstanceOf(Refusal);
    client.close();
  });

  test("with servers before 1.15, which take 64 steps, the store has half of them and refuses more itself", async () => {
    await using proxy = await LosingProxy.start({ host: HOST, port });
    proxy.maxVerbs = 64;
    const store = await openStore(`${HOST}:${proxy.port}`);
    const { operations, overwrite = 1 } = store.capabilities.limits;
    expect([operations, overwrite]).toEqual([64, 2]);
    const puts = (count: number, more: Readonly<{ once?: boolean; unused?: boolean }> = {}) =>
      Array.from({ length: count }, (_, index) => ({ put: `a/b/${count}-${index}`, value: bytes("x"), ...more }));
    expect((await store.transact([], puts(operations / overwrite))).ok).toBe(true);
    expect((await store.transact([], puts(operations, { once: true, unused: true }))).ok).toBe(true);
    const before = proxy.total("/v1/txn");
    for (const tooMany of [puts(operations / overwrite + 1), puts(operations + 1, { once: true, unused: true })])
      expect(await errorOf(store, store.transact([], tooMany))).toMatchObject({ code: "INVALID_ARGUMENT" });
    expect(proxy.total("/v1/txn")).toBe(before);
  });

  test("the largest transaction that the limits allow is taken: keys, values, compares and a session", async () => {
    const store = await openStore(`${HOST}:${port}`);
    const { keyBytes, operations, overwrite = 1, transactionBytes, valueBytes } = store.capabilities.limits;
    const key = (index: number): string => `a/b/${String(index).padEnd(keyBytes - 4, "k")}`;
    const session = await store.openSession(60_000);
    const writes = Math.floor(operations / (overwrite + 1));
    const compared = operations - writes * overwrite;
    const room = transactionBytes - (writes + compared) * keyBytes;
    const puts = Array.from({ length: writes }, (_, index) => ({
      ...{ put: key(index), value: new Uint8Array(Math.floor(room / writes)).fill(0xff), session: session.id },
    }));
    const compares = Array.from({ length: compared }, (_, index) => ({
      key: key(1_000 + index),
      absent: true as const,
    }));
    expect((await store.transact(compares, puts)).ok).toBe(true);
    const many = Array.from({ length: operations / overwrite }, (_, index) => ({
      put: key(index),
      value: new Uint8Array(3_000),
    }));
    expect((await store.transact([], many)).ok).toBe(true);
    expect((await store.transact([], [{ put: key(1), value: new Uint8Array(valueBytes) }])).ok).toBe(true);
    expect((await store.get(key(1)))?.value.length).toBe(valueBytes);
    await session.close();
  });

  test("Consul's own interface reads what was written, and we what it wrote", async () => {
    const prefix = `test/${crypto.randomUUID()}`;
    const store = await openStore(`${HOST}:${port}`, { prefix });
    const session = await store.openSession(30_000);
    const value = Uint8Array.from({ length: 256 }, (_, index) => index);
    const key = "a/b/odd~%2F.";
    const done = await store.transact([], [{ put: key, value, session: session.id }]);
    const path = `/v1/kv/${encodeURIComponent(`${prefix}/${key}`)}`;
    const [row] = JSON.parse((await consulRequest({ port }, "GET", path)).text) as readonly Record<string, unknown>[];
    expect(row).toMatchObject({ Key: `${prefix}/${key}`, Session: session.id, LockIndex: 1 });
    expect(row?.["Value"]).toBe(Buffer.from(value).toString("base64"));
    expect(done.ok && done.versions).toEqual([String(row?.["ModifyIndex"])]);
    const info = await consulRequest({ port }, "GET", `/v1/session/info/${session.id}`);
    expect(JSON.parse(info.text)).toMatchObject([{ TTL: "30000ms", Behavior: "delete", LockDelay: 0, NodeChecks: [] }]);
    await session.close();
    expect((await consulRequest({ port }, "GET", path)).status).toBe(404);
    await consulRequest({ port }, "PUT", `/v1/kv/${prefix}/a/b/foreign`, "theirs");
    expect((await store.get("a/b/foreign"))?.value).toEqual(bytes("theirs"));
  });

  test("a listing with a limit reads level by level, and not what lies behind", async () => {
    await using proxy = await LosingProxy.start({ host: HOST, port });
    const store = await openStore(`${HOST}:${proxy.port}`);
    const names = Array.from({ length: 300 }, (_, n) => `q/jobs/${String(n % 3)}/${String(n).padStart(3, "0")}`);
    for (let at = 0; at < names.length; at += 60)
      await store.transact(
        [],
        names.slice(at, at + 60).map((put) => ({ put, value: new Uint8Array(5_000) })),
      );
    const sorted = names.toSorted();
    const listed = async (limit: number, after?: string): Promise<readonly string[]> =>
      (await store.list("q/jobs/", { limit, ...(after === undefined ? {} : { after }) })).entries.map(({ key }) => key);
    const before = proxy.bytes;
    expect(await listed(5)).toEqual(sorted.slice(0, 5));
    expect(proxy.bytes - before, "bytes of the answers").toBeLessThan(60_000);
    expect(await listed(150)).toEqual(sorted.slice(0, 150));
    expect(await listed(120, sorted[95])).toEqual(sorted.slice(96, 216));
    expect(await listed(1_000)).toEqual(sorted);
    expect(await listed(3, sorted.at(-1))).toEqual([]);
  });

  test("a call ends in its time when nothing answers, and the next one works when it does again", async () => {
    await using proxy = await startTcpProxy({ host: HOST, port });
    const client = clientOf([proxy.port], 500);
    const keys = new KeyValues(client, "test/late/");
    await keys.get("a");
    proxy.halfOpen();
    const error: unknown = await keys.get("a").catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(NoAnswer);
    expect(error).toMatchObject({ isLate: true, isSent: true });
    await proxy.pass();
    await expect(keys.get("a")).resolves.toBeUndefined();
    client.close();
  });

  test("what was not sent goes to the next address at once; trouble leaves an address", async () => {
    await using proxy = await startTcpProxy({ host: HOST, port });
    const dead = await freePort();
    const client = clientOf([dead, proxy.port, port]);
    const keys = new KeyValues(client, "test/over/");
    await expect(keys.get("a")).resolves.toBeUndefined();
    expect(proxy.counts.accepted, "it stays where it was answered").toBe(1);
    await keys.get("a");
    expect(proxy.counts.accepted).toBe(1);
    proxy.halfOpen();
    await expect(keys.get("a"), "unknown, so not repeated").rejects.toThrow(NoAnswer);
    await expect(keys.get("a"), "by the third").resolves.toBeUndefined();
    client.close();
  });

  test("trouble with a call ends the queries that wait, so that they ask elsewhere", async () => {
    await using proxy = await startTcpProxy({ host: HOST, port });
    const client = clientOf([proxy.port, port], 500);
    const keys = new KeyValues(client, "test/doubt/");
    await putKey("test/doubt/a");
    const { index } = await keys.list("a");
    const waiting = keys.wait("a", index, 60_000, new AbortController().signal).catch((error: unknown) => error);
    await keys.get("b");
    proxy.halfOpen();
    await keys.get("b").catch(() => undefined);
    expect(await waiting).toMatchObject({ message: "there is trouble with another call" });
    client.close();
  });

  test("calls without end are refused instead of kept", async () => {
    await using proxy = await startTcpProxy({ host: HOST, port });
    const client = clientOf([proxy.port], 60_000);
    const keys = new KeyValues(client, "test/many/");
    proxy.halfOpen();
    const kept = Promise.allSettled(Array.from({ length: 2_000 }, (_, n) => keys.get(String(n))));
    await expect(keys.get("a")).rejects.toMatchObject({ code: "UNAVAILABLE", retryable: true });
    client.close();
    expect((await kept).filter(({ status }) => status === "fulfilled")).toEqual([]);
    await proxy.close();
  });

  test("a session of a closed store rejects, and throws nothing", async () => {
    const store = await openStore(`${HOST}:${port}`);
    const session = await store.openSession(5_000);
    await session.close();
    await store.close();
    expect(await errorOf(store, session.renew())).toMatchObject({ code: "CLOSED" });
    expect(await errorOf(store, session.close())).toMatchObject({ code: "CLOSED" });
  });

  test("close ends what is under way and leaves no connection", async () => {
    await using proxy = await LosingProxy.start({ host: HOST, port });
    const client = clientOf([proxy.port]);
    const keys = new KeyValues(client, "test/close/");
    await putKey("test/close/a");
    const { index } = await keys.list("a");
    const waiting = keys.wait("a", index, 60_000, new AbortController().signal).catch((error: unknown) => error);
    await keys.get("b");
    expect(await proxy.connections()).toBe(2);
    client.close();
    expect(await waiting).toBeInstanceOf(NoAnswer);
    await expect.poll(() => proxy.connections()).toBe(0);
    await expect(keys.get("b")).rejects.toThrow(NoAnswer);
  });
});

describe.runIf(await isServerAvailable("consul"))("a consul that allows few connections", () => {
  test("says so with a code that is worth trying again", async () => {
    const args = ["-hcl", "limits { http_max_conns_per_client = 2 }"];
    await using small = await startServer("consul", { args });
    const store = await openStore(`${HOST}:${small.port}`);
    const reads = await Promise.allSettled(Array.from({ length: 12 }, (_, n) => store.get(`a/b/${n}`)));
    const failed = reads.flatMap((read) => (read.status === "rejected" ? [store.classify(read.reason)] : []));
    expect(failed.length).toBeGreaterThan(0);
    for (const { code, retryable } of failed) expect([code, retryable]).toEqual(["UNAVAILABLE", true]);
    // A new connection may come before Consul has seen the end of those that were let go.
    await expect.poll(() => store.get("a/b/c")).toBeUndefined();
  });
});

// What a node of a cluster on etcd is told, with which code, and that it leaves nothing half started.
import { randomUUID } from "node:crypto";
import { createServer as createHttp } from "node:http";
import { createServer as createHttp2 } from "node:http2";
import { type AddressInfo, createServer as createNet, type Server } from "node:net";
import { inspect } from "node:util";
import { afterAll, describe, expect, it } from "vitest";
import { createCluster, type JobferryError } from "jobferry";
import { etcdCluster, type EtcdClusterOptions } from "jobferry/etcd";
import { base64, etcdGateway } from "../../scripts/servers/etcd-gateway.ts";
import { freePort } from "../../scripts/servers/free-port.ts";
import { silentLogger } from "../../src/runtime/index.ts";
import { isServerAvailable, sharedServer, startServer } from "../servers/shared-server.ts";
import { bytesOf, failureOf, storeOn } from "./stage.ts";

const SECRET = "s3cr3t-word";
const endpoints = ["h:2379"];

const make = (options: object): unknown => etcdCluster({ nodeId: "a", ...options } as EtcdClusterOptions);

// Asked for here: where it is not in the run a skipped test says so, which no running test may add.
const redis = await sharedServer("redis");

describe("etcd cluster: options", () => {
  it.each([
    ["an unknown option", { endpoint: ["h:1"] }, /Did you mean "endpoints"/],
    ["no place", {}, /either url or endpoints/],
    ["two places", { endpoints, url: "etcd://h" }, /either url or endpoints/],
    ["no endpoint", { endpoints: [] }, /endpoints must be a list/],
    ["endpoints as text", { endpoints: "h:2379" }, /endpoints must be a list/],
    ["a port that is none", { endpoints: ["h:99999"] }, /endpoints must be a list/],
    ["a login in an endpoint", { endpoints: [`http://me:${SECRET}@h:2379`] }, /endpoints must be a list/],
    ["endpoints with and without TLS", { endpoints: ["https://h:1", "http://i:1"] }, /all endpoints/],
    ["another scheme", { url: `redis://me:${SECRET}@h` }, /etcd URL has another scheme/],
    ["a path in the URL", { url: "etcd://h:2379/prefix" }, /etcd URL has a path.* prefix .* is an option/],
    ["a host that no URL takes", { url: "etcd://%ETCD_HOST%:2379" }, /etcd URL/],
    ["an endpoint that no URL takes", { endpoints: ["%ETCD_HOST%:2379"] }, /endpoints must be a list/],
    ["a user without a password in the URL", { url: "etcd://me@h" }, /USER:PASSWORD/],
    ["a password beside a url", { url: "etcd://h", username: "me", password: SECRET }, /stand beside endpoints/],
    ["a password alone", { endpoints, password: SECRET }, /belong together/],
    ["tls without TLS", { endpoints, tls: {} }, /etcds:\/\//],
    ["a prefix with a space", { endpoints, prefix: "a b" }, /prefix/],
    ["a call's time that is none", { endpoints, callTimeout: "soon" }, /callTimeout/],
    ["a time-out below the store's minimum", { endpoints, electionTimeout: "1s" }, /from 2000 to/],
    ["a lock time-out below it", { endpoints, lockTimeout: "1s" }, /from 2000 to/],
    ["a node id that makes too long a key", { endpoints, nodeId: "x".repeat(2_000) }, /nodeId|node id/],
  ])("%s is refused at construction", (_, options, message) => {
    expect(() => make(options)).toThrow(message);
    expect(() => make(options)).not.toThrow(SECRET);
  });

  it("DESIGN's names and both URL schemes make a node", async () => {
    expect(() => make({ endpoints: ["a:2379", "[::1]:2379", "http://b"] })).not.toThrow();
    expect(() =>
      make({ endpoints: ["https://a", "https://b:1"], tls: { ca: "…" }, username: "u", password: "p" }),
    ).not.toThrow();
    for (const url of ["etcd://a", "etcd://u:p%40@a:1,b:2,[::1]/", "etcds://a"])
      expect((await createCluster(url, { nodeId: "n", prefix: "p" })).nodeId).toBe("n");
  });
});

const listening = async (server: Server): Promise<Readonly<{ port: number; close: () => void }>> => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { port: (server.address() as AddressInfo).port, close: () => void server.close() };
};

async function startError(options: Partial<EtcdClusterOptions>): Promise<JobferryError> {
  const place = { prefix: `test-${randomUUID()}`, connectTimeout: "4s", logger: silentLogger } as const;
  const cluster = etcdCluster({ nodeId: "a", ...place, ...options } as EtcdClusterOptions);
  const error = await failureOf(cluster.start());
  await cluster.stop();
  expect(inspect(error, { depth: 10 })).not.toContain(SECRET);
  return error as JobferryError;
}

describe("etcd cluster: what is no etcd", () => {
  const at = (port: number): Partial<EtcdClusterOptions> => ({ endpoints: [`127.0.0.1:${port}`] });

  it("nothing listens", async () => {
    const port = await freePort();
    const error = await startError({ ...at(port), username: "me", password: SECRET });
    expect(error).toMatchObject({ code: "UNAVAILABLE", retryable: true });
    expect(error.message).toContain(`127.0.0.1:${port}`);
    expect(error.message).toContain("ECONNREFUSED");
  });

  it("a server of HTTP/1, as Consul is", async () => {
    const other = await listening(createHttp((_, response) => response.end("hello")));
    expect(await startError(at(other.port))).toMatchObject({ code: "STORE_FOREIGN", retryable: false });
    other.close();
  });

  it("a server of HTTP/2 that is no gRPC", async () => {
    const http2 = createHttp2((_, response) => response.end("hello"));
    const other = await listening(http2);
    expect(await startError(at(other.port))).toMatchObject({ code: "STORE_FOREIGN" });
    other.close();
  });

  it("another gRPC", async () => {
    const http2 = createHttp2();
    http2.on("stream", (stream) => {
      stream.respond({ ":status": 200, "content-type": "application/grpc", "grpc-status": "12" }, { endStream: true });
    });
    const other = await listening(http2);
    expect(await startError(at(other.port))).toMatchObject({ code: "STORE_FOREIGN" });
    other.close();
  });

  it("a server that greets with something else, and one that says nothing", async () => {
    const greeting = await listening(
      createNet((socket) => void socket.on("error", () => undefined).write("-ERR what?\r\n".repeat(5))),
    );
    expect(await startError(at(greeting.port))).toMatchObject({ code: "STORE_FOREIGN" });
    greeting.close();
    const mute = await listening(createNet((socket) => void socket.on("error", () => undefined)));
    expect(await startError(at(mute.port))).toMatchObject({ code: "UNAVAILABLE", retryable: true });
    mute.close();
  });

  it("ZooKeeper's or Redis's port", async () => {
    if (redis === undefined) return;
    expect(await startError(at(redis.port))).toMatchObject({ code: "STORE_FOREIGN" });
  });
});

const shared = await sharedServer("etcd");
describe.runIf(shared !== undefined)("etcd cluster: a server that does not do", () => {
  const port = shared?.port ?? 0;
  const here = { endpoints: [`127.0.0.1:${port}`] };

  it("speaks no TLS, or TLS only", async () => {
    expect(await startError({ url: `etcds://127.0.0.1:${port}` })).toMatchObject({
      code: "ACCESS_DENIED",
      message: expect.stringMatching(/TLS handshake.*it speaks none/),
    });
    await using secured = await startServer("etcd", { tls: true });
    const error = await startError({ endpoints: [`127.0.0.1:${secured.port}`] });
    expect(error.code).toBe("ACCESS_DENIED");
    expect(error.message).toMatch(/wants TLS.*etcds:\/\//);
  });

  it("has keys of a newer layout, or of somebody else, under the prefix", async () => {
    const layout = async (value: string): Promise<JobferryError> => {
      const prefix = `test-${randomUUID()}`;
      await etcdGateway({ port }, "/v3/kv/put", { key: base64(`${prefix}/layout`), value: base64(value) });
      return startError({ ...here, prefix });
    };
    expect(await layout("2")).toMatchObject({ code: "STORE_NEWER" });
    expect(await layout("theirs")).toMatchObject({ code: "STORE_FOREIGN" });
  });

  it("gives no session as short as is asked, because its elections take longer", async () => {
    await using slow = await startServer("etcd", {
      args: ["--heartbeat-interval", "500", "--election-timeout", "5000"],
    });
    const asked = { endpoints: [`127.0.0.1:${slow.port}`], electionTimeout: "3s" } as const;
    const error = await startError(asked);
    expect(error).toMatchObject({ code: "INVALID_ARGUMENT", message: expect.stringMatching(/8 s/) });
    const { leases = [] } = (await etcdGateway(slow, "/v3/lease/leases")) as { leases?: unknown[] };
    expect(leases, "what was refused is not left behind").toEqual([]);
  });

  it("takes fewer operations, or less, than its defaults", async () => {
    await using small = await startServer("etcd", { args: ["--max-txn-ops", "4", "--max-request-bytes", "10000"] });
    await using store = await storeOn({ endpoints: [`127.0.0.1:${small.port}`] });
    const puts = Array.from({ length: 5 }, (_, n) => ({ put: `a/b/${n}`, value: bytesOf("1") }));
    expect(store.classify(await failureOf(store.transact([], puts)))).toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringMatching(/max-txn-ops/),
    });
    const large = { put: "a/b/c", value: new Uint8Array(20_000) };
    expect(store.classify(await failureOf(store.transact([], [large])))).toMatchObject({
      code: "PAYLOAD_TOO_LARGE",
      message: expect.stringMatching(/max-request-bytes/),
    });
    const huge = { put: "a/b/c", value: new Uint8Array(1_000_000) };
    expect(store.classify(await failureOf(store.transact([], [huge])))).toMatchObject({ code: "PAYLOAD_TOO_LARGE" });
  });

  it("is full: STORE_FULL, and reads go on", async () => {
    await using full = await startServer("etcd", { args: ["--quota-backend-bytes", "1000000"] });
    await using store = await storeOn({ endpoints: [`127.0.0.1:${full.port}`] });
    await store.transact([], [{ put: "a/b/first", value: bytesOf("1") }]);
    // etcd compares the quota with the size of its file, which grows once in 100 ms: how many writes come in before depends on the machine.
    const isFull = (async () => {
      for (let n = 0; ; n += 1) await store.transact([], [{ put: `a/b/${n % 10}`, value: new Uint8Array(200_000) }]);
    })();
    const found = store.classify(await failureOf(isFull));
    expect(found).toMatchObject({ code: "STORE_FULL", retryable: true, message: expect.stringMatching(/quota/) });
    expect((await store.get("a/b/first"))?.value).toEqual(bytesOf("1"));
  });

  it("a revision that was compacted, or that it never had: the watch begins with everything", async () => {
    await using store = await storeOn(here);
    await store.transact([], [{ put: "a/b/c", value: bytesOf("1") }]);
    const { header } = await etcdGateway({ port }, "/v3/kv/range", { key: base64("none") });
    await etcdGateway({ port }, "/v3/kv/compaction", header as Readonly<{ revision: string }>);
    for (const from of ["1", "999999999999999999", "nonsense", ""]) {
      for await (const event of store.watch("a/b/", { from, signal: AbortSignal.timeout(10_000) })) {
        expect(event, from).toMatchObject({ kind: "reset", entries: [{ key: "a/b/c" }] });
        break;
      }
    }
  });

  it("knows a living node of that id; the living one stays, and of the other nothing is left", async () => {
    const prefix = `test-${randomUUID()}`;
    const node = () =>
      etcdCluster({ ...here, nodeId: "a", prefix, electionTimeout: "2s", joinTimeout: "1500ms", logger: silentLogger });
    const [first, second] = [node(), node()];
    await first.start();
    expect(await failureOf(second.start())).toMatchObject({ code: "NODE_ID_TAKEN" });
    await second.stop();
    expect((await first.nodes()).map(({ id }) => id)).toEqual(["a"]);
    await first.stop();
    const { kvs = [] } = await etcdGateway({ port }, "/v3/kv/range", {
      key: base64(`${prefix}/`),
      range_end: base64(`${prefix}0`),
    });
    expect(
      (kvs as readonly Readonly<{ key: string }>[]).map(({ key }) => Buffer.from(key, "base64").toString()),
    ).toEqual([`${prefix}/layout`]);
  });

  it("takes no such lock name and no such message", async () => {
    const cluster = etcdCluster({ ...here, nodeId: "b", prefix: `test-${randomUUID()}`, logger: silentLogger });
    await cluster.start();
    expect(await failureOf(cluster.lock("ü".repeat(200)))).toMatchObject({ code: "INVALID_ARGUMENT" });
    expect(await failureOf(cluster.broadcast("news", "x".repeat(1_100_000)))).toMatchObject({
      code: "PAYLOAD_TOO_LARGE",
    });
    await cluster.stop();
  });
});

describe.runIf(await isServerAvailable("etcd-cluster"))("etcd cluster: without a majority", async () => {
  const server = await startServer("etcd-cluster");
  afterAll(() => server.remove());

  it("calls are UNAVAILABLE within their time, and go on when it is back", async () => {
    await using store = await storeOn({ url: server.url });
    const put = { put: "a/b/c", value: bytesOf("1") };
    await store.transact([], [put]);
    const [, second, third] = server.nodes;
    await Promise.all([second?.kill(), third?.kill()]);
    for (const call of [() => store.get("a/b/c"), () => store.transact([], [put]), () => store.openSession(5_000)]) {
      const start = performance.now();
      const error = await failureOf(call());
      expect(store.classify(error)).toMatchObject({ code: "UNAVAILABLE", retryable: true });
      expect(performance.now() - start).toBeLessThan(8_000);
    }
    expect(await startError({ url: server.url })).toMatchObject({ code: "UNAVAILABLE", retryable: true });
    await second?.restart();
    let went = false;
    const end = performance.now() + 20_000;
    while (!went && performance.now() < end)
      went = await store.transact([], [put]).then(
        ({ ok }) => ok,
        () => false,
      );
    expect(went).toBe(true);
    await third?.restart();
  });
});

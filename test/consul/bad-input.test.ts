// What a node of a cluster on Consul is told, with which code, and that it leaves nothing half started.
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { createServer as createTcpServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { inspect } from "node:util";
import { afterAll, describe, expect, it } from "vitest";
import { createCluster } from "jobferry";
import { consulCluster, consulQueue, type ConsulClusterOptions } from "jobferry/consul";
import { consulRequest } from "../../scripts/servers/consul-request.ts";
import { freePort } from "../../scripts/servers/free-port.ts";
import { silentLogger, systemClock } from "../../src/runtime/index.ts";
import { expectReadOnly } from "../faults/read-only-queue.ts";
import { isServerAvailable, sharedServer, startServer } from "../servers/shared-server.ts";
import { startStopwatch } from "../stalls/stopwatch.ts";
import { LosingProxy } from "./losing-proxy.ts";
import { bytes, errorOf, makeToken, openStore, rejection, storeAt } from "./stage.ts";

const SECRET = randomUUID();

const make = (options: object): unknown => consulCluster({ nodeId: "a", ...options } as ConsulClusterOptions);

async function startError(options: Partial<ConsulClusterOptions>): Promise<ReturnType<typeof rejection>> {
  const times = { connectTimeout: "3s", callTimeout: "1s" } as const;
  const node = { nodeId: "a", logger: silentLogger, prefix: `test/${randomUUID()}`, ...times };
  const cluster = consulCluster({ ...node, ...options } as ConsulClusterOptions);
  const error = await rejection(cluster.start());
  await cluster.stop();
  expect(inspect(error, { depth: 10 })).not.toContain(SECRET);
  return error;
}

async function listening(
  onConnection: (socket: Socket) => void,
): Promise<AsyncDisposable & Readonly<{ port: number }>> {
  const other = createTcpServer(onConnection);
  await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
  const end = (): Promise<void> => new Promise((resolve) => void other.close(() => resolve()));
  return { port: (other.address() as AddressInfo).port, [Symbol.asyncDispose]: end };
}

// Asked for here: where it is not in the run a skipped test says so, which no running test may add.
const redis = await sharedServer("redis");

describe("consul cluster: options", () => {
  it.each([
    ["an unknown option", { adress: "h:1" }, /Did you mean "address"/],
    ["no place", {}, /address of Consul/],
    ["another scheme", { address: `redis://:${SECRET}@h` }, /scheme that is not Consul's/],
    ["a time-out below the store's minimum", { address: "h", electionTimeout: 900 }, /from 1000 to/],
    ["a node id that makes too long a key", { address: "h", nodeId: "ü".repeat(200) }, /node id/],
  ])("%s is refused at construction", (_, options, message) => {
    expect(() => make(options)).toThrow(message);
    expect(() => make(options)).not.toThrow(SECRET);
  });

  it("DESIGN's names make a node, and URLs do", async () => {
    expect(() => make({ address: "localhost:8500" })).not.toThrow();
    await expect(createCluster(`consuls://:${SECRET}@h`, { nodeId: "a", prefix: "mine" })).resolves.toBeDefined();
    await expect(createCluster("consull://h", { nodeId: "a" })).rejects.toThrow(/Did you mean "consuls?:"/);
    await expect(createCluster("consul:", { nodeId: "a" })).rejects.toThrow(/address of Consul/);
  });
});

describe("consul cluster: a place where no Consul is", () => {
  it("nobody listens", async () => {
    const port = await freePort();
    const error = await startError({ address: `127.0.0.1:${port}`, token: SECRET });
    expect(error).toMatchObject({ code: "UNAVAILABLE", retryable: true });
    expect(error.message).toContain(`consul://127.0.0.1:${port}`);
  });

  it.each([
    ["pages", 200, "<html>hello</html>"],
    ["JSON", 200, '{"version":"3.6"}'],
    ["no such page", 404, "not found"],
    ["to another place", 302, ""],
    ["a refusal of its own", 400, '{"error":"bad_request"}'],
  ])("an HTTP server that answers with %s", async (_, status, text) => {
    const other = createServer((_request, response) => response.writeHead(status).end(text));
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const error = await startError({ address: `127.0.0.1:${(other.address() as AddressInfo).port}` });
    other.close();
    expect(error).toMatchObject({ code: "STORE_FOREIGN", retryable: false });
    expect(error.message).toContain("8500");
  });

  // Redis ends a connection on which it hears HTTP; others, like SSH, answer with what is none.
  it("another product, which speaks no HTTP", async () => {
    if (redis === undefined) return;
    const error = await startError({ address: `127.0.0.1:${redis.port}` });
    expect(error).toMatchObject({ code: "UNAVAILABLE", retryable: true });
    expect(error.message).toContain("that its HTTP interface is what listens there");
    await using odd = await listening((socket) => socket.resume().end("SSH-2.0-OpenSSH_9.2\r\n"));
    expect(await startError({ address: `127.0.0.1:${odd.port}` })).toMatchObject({ code: "STORE_FOREIGN" });
  });
});

describe("consul cluster: who takes connections and never answers", () => {
  it.each(["consul", "consuls"])("with %s://: told when connectTimeout is over, not later", async (scheme) => {
    await using mute = await listening((socket) => socket.resume().on("error", () => undefined));
    const address = `${scheme}://127.0.0.1:${mute.port}`;
    const took = await startStopwatch();
    const error = await startError({ address, connectTimeout: "4s", callTimeout: "3s" });
    expect(error).toMatchObject({ code: "UNAVAILABLE", retryable: true });
    expect(await took()).toBeLessThan(4_500);
  });
});

describe.runIf(await isServerAvailable("consul"))("consul cluster: a server that does not do", async () => {
  const server = await startServer("consul", { password: SECRET });
  const ordinary = await startServer("consul", { shortestSession: "10s" });
  afterAll(() => Promise.all([server.remove(), ordinary.remove()]));
  const address = `127.0.0.1:${server.port}`;

  it("refuses a token that it does not know, or none", async () => {
    const unknown = await startError({ address, token: randomUUID() });
    expect(unknown).toMatchObject({ code: "ACCESS_DENIED", retryable: false });
    expect(unknown.message).toContain("does not know this token");
    expect(await startError({ address })).toMatchObject({ code: "ACCESS_DENIED", retryable: false });
  });

  it("has an ACL that allows reads only", async () => {
    const prefix = `test/${randomUUID()}`;
    const writer = await openStore(address, { prefix, token: SECRET });
    await writer.transact([], [{ put: "a/b/c", value: bytes("1") }]);
    const rules = `key_prefix "test/" { policy = "read" } session_prefix "" { policy = "read" }`;
    const token = await makeToken(server.port, SECRET, rules);
    const error = await startError({ address, prefix, token });
    expect(error).toMatchObject({ code: "ACCESS_DENIED", retryable: false });
    expect(error.message).toContain("key_prefix write");
    const reader = await openStore(address, { prefix, token });
    expect((await reader.list("a/b/")).entries.length).toBe(1);
    const refused = await errorOf(reader, reader.transact([], [{ delete: "a/b/c" }]));
    expect(refused).toMatchObject({ code: "ACCESS_DENIED" });
    expect((await writer.get("a/b/c"))?.value).toEqual(bytes("1"));
  });

  it("has an ACL that allows reads only: a queue", async () => {
    const prefix = `test/${randomUUID()}`;
    const token = await makeToken(server.port, SECRET, `key_prefix "test/" { policy = "read" }`);
    await using writer = consulQueue(address, { prefix, token: SECRET, logger: silentLogger });
    const reader = consulQueue(address, { prefix, token, logger: silentLogger });
    await expectReadOnly(
      reader,
      writer,
      /queue, also one that is only looked at.* key_prefix write.* session write and node write on "jobferry-sessions"/,
    );
  });

  it("lets these rules do everything", async () => {
    const rules = `key_prefix "test/" { policy = "write" } session "jobferry-sessions" { policy = "write" } node "jobferry-sessions" { policy = "write" }`;
    const token = await makeToken(server.port, SECRET, rules);
    const cluster = consulCluster({ nodeId: "a", address, token, prefix: "test/all", electionTimeout: "2s" });
    await cluster.start();
    await using lock = await cluster.lock("x");
    expect(lock.held).toBe(true);
    await lock.release();
    await cluster.stop();
  });

  it("takes no session as short: 10 s is its own minimum", async () => {
    const error = await startError({ address: `127.0.0.1:${ordinary.port}`, electionTimeout: "5s" });
    expect(error).toMatchObject({ code: "INVALID_ARGUMENT", retryable: false });
    expect(error.message).toMatch(/from 10s to 24h0m0s.*session_ttl_min/s);
    const fine = consulCluster({ nodeId: "a", address: `127.0.0.1:${ordinary.port}`, prefix: "test/ten" });
    await fine.start();
    await fine.stop();
  });

  it("makes a session that is shorter than was asked for: told, and the session is ended", async () => {
    await using proxy = await LosingProxy.start({ host: "127.0.0.1", port: ordinary.port });
    proxy.sessionTtl = "10s";
    const error = await startError({ address: `127.0.0.1:${proxy.port}`, electionTimeout: "20s" });
    expect(error).toMatchObject({ code: "INVALID_ARGUMENT", retryable: false });
    expect(error.message).toMatch(/session of 20000 ms was asked for.*10s/);
    const sessions = await consulRequest({ port: ordinary.port }, "GET", "/v1/session/list");
    expect(sessions.text.trim()).toBe("[]");
  });

  it("takes no value as large, and says so before it is sent", async () => {
    const cluster = consulCluster({ nodeId: "a", address, token: SECRET, prefix: "test/large" });
    await cluster.start();
    expect(await rejection(cluster.broadcast("news", "x".repeat(400_000)))).toMatchObject({
      code: "PAYLOAD_TOO_LARGE",
    });
    await cluster.stop();
  });

  it("was set up to take less", async () => {
    const args = ["txn_max_req_len", "kv_max_value_size"].flatMap((name) => ["-hcl", `limits { ${name} = 20000 }`]);
    await using small = await startServer("consul", { args });
    const store = await openStore(`127.0.0.1:${small.port}`);
    const error = await errorOf(store, store.transact([], [{ put: "a/b/c", value: new Uint8Array(30_000) }]));
    expect(error).toMatchObject({ code: "PAYLOAD_TOO_LARGE", retryable: false });
    expect(error.message).toContain("txn_max_req_len");
    expect(await store.get("a/b/c")).toBeUndefined();
  });

  it("is asked to be what it is not: keys of a newer Jobferry, and of somebody else", async () => {
    const prefix = `test/${randomUUID()}`;
    const put = (value: string): Promise<unknown> =>
      consulRequest({ port: server.port, token: SECRET }, "PUT", `/v1/kv/${prefix}/%2Blayout`, value);
    for (const [value, code] of [
      ["2", "STORE_NEWER"],
      ["x", "STORE_FOREIGN"],
    ] as const) {
      await put(value);
      expect(await startError({ address, token: SECRET, prefix })).toMatchObject({ code, retryable: false });
    }
  });
});

describe.runIf(await isServerAvailable("consul-cluster"))("consul cluster: without a leader", () => {
  it("says so at the start, and after it for every call; it goes on when there is one", async () => {
    await using server = await startServer("consul-cluster");
    const [first, second, third] = server.nodes;
    const store = await openStore(`127.0.0.1:${first?.port}`, { callTimeout: "1s" });
    await Promise.all([second?.kill(), third?.kill()]);
    const call = await errorOf(store, store.transact([], [{ put: "a/b/c", value: bytes("1") }]));
    expect(call).toMatchObject({ code: "UNAVAILABLE", retryable: true });
    await expect
      .poll(async () => (await startError({ address: `127.0.0.1:${first?.port}` })).message, { timeout: 60_000 })
      .toContain("has had no leader for 3000 ms");
    // Until both have started and all have voted.
    const late = storeAt(`127.0.0.1:${first?.port}`, { connectTimeout: "100s" });
    const opening = late.open({ clock: systemClock });
    await Promise.all([second?.restart(), third?.restart()]);
    await opening;
    await expect
      .poll(
        () =>
          store.transact([], [{ put: "a/b/c", value: bytes("1") }]).then(
            ({ ok }) => ok,
            () => false,
          ),
        {
          timeout: 60_000,
        },
      )
      .toBe(true);
  }, 300_000);
});

// What a node of a cluster on ZooKeeper is told, with which code, and that it leaves nothing half started.
import { createServer } from "node:http";
import { createServer as createTcpServer, type AddressInfo, type Socket } from "node:net";
import { randomUUID } from "node:crypto";
import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import { createCluster, createJob } from "jobferry";
import { zookeeperCluster, zookeeperQueue, type ZookeeperClusterOptions } from "jobferry/zookeeper";
import { zookeeperCoordinationStore } from "../../src/drivers/zookeeper/index.ts";
import { CREATOR, requests, EVERYBODY } from "../../src/drivers/zookeeper/client/requests.ts";
import type { JobferryError } from "../../src/errors/index.ts";
import { silentLogger, systemClock } from "../../src/runtime/index.ts";
import { freePort } from "../../scripts/servers/free-port.ts";
import { sharedServer, startServer } from "../servers/shared-server.ts";
import { keptClient, serversAt } from "./raw-client.ts";

const SECRET = "s3cr3t-word";
const NOTHING = new Uint8Array();

const make = (options: object): unknown => zookeeperCluster({ nodeId: "a", ...options } as ZookeeperClusterOptions);

async function startError(options: object): Promise<JobferryError> {
  const cluster = zookeeperCluster({
    ...{ nodeId: "a", logger: silentLogger, root: `/test-${randomUUID()}`, connectTimeout: "3s" },
    ...options,
  } as ZookeeperClusterOptions);
  const error = await cluster.start().then(
    () => new Error("it started"),
    (thrown: unknown) => thrown,
  );
  await cluster.stop();
  expect(inspect(error, { depth: 10 })).not.toContain(SECRET);
  return error as JobferryError;
}

describe("zookeeper cluster: options", () => {
  it.each([
    ["an unknown option", { server: "h:1" }, /Did you mean "servers"/],
    ["no place", {}, /one of servers and url/],
    ["two places", { servers: "h", url: "zookeeper://h" }, /one of servers and url/],
    ["a login in servers", { servers: `me:${SECRET}@h:2181` }, /Server 1 must be host:port/],
    ["a URL in servers", { servers: `h:2181,zookeeper://me:${SECRET}@h` }, /Server 2 must be host:port/],
    ["a port that is none", { servers: "h:99999" }, /port from 1 to 65535/],
    ["no server", { servers: [] }, /from 1 to 64/],
    ["another scheme", { url: `etcd://me:${SECRET}@h` }, /url has another scheme/],
    ["a query that is not known", { url: `zookeeper://me:${SECRET}@h/?x=${SECRET}` }, /auth=digest or auth=sasl/],
    ["a login without a password", { url: `zookeeper://${SECRET}@h` }, /must be user:password/],
    ["a login in two places", { url: `zookeeper://me:${SECRET}@h`, username: "me", password: SECRET }, /Leave one/],
    ["a password alone", { servers: "h", password: SECRET }, /go together/],
    ["a way to log in without a login", { servers: "h", authentication: "sasl" }, /needs a username/],
    [
      "a way to log in that is none",
      { servers: "h", username: "me", password: SECRET, authentication: "x" },
      /authentication/,
    ],
    ["a root that is none", { servers: "h", root: "jobs" }, /root/],
    ["a root in ZooKeeper's own", { servers: "h", root: "/zookeeper/jobs" }, /not below \/zookeeper/],
    ["access by its maker without a login", { servers: "h", access: "creator" }, /needs a username/],
    ["TLS beside a plain URL", { url: "zookeeper://h", tls: true }, /use zookeepers/],
    ["TLS that is none", { servers: "h", tls: "yes" }, /tls must be/],
    ["an unknown field of tls", { servers: "h", tls: { cas: "x" } }, /Did you mean "ca"/],
    ["a time-out below the store's minimum", { servers: "h", electionTimeout: 100 }, /from 1000 to/],
    ["a node id that makes too long a key", { servers: "h", nodeId: "x".repeat(600) }, /nodeId|node id/],
  ])("%s is refused at construction", (_, options, message) => {
    expect(() => make(options)).toThrow(message);
    expect(() => make(options)).not.toThrow(SECRET);
  });

  it("DESIGN's names make a node, and URLs do", async () => {
    expect(() =>
      make({ servers: ["[::1]:2181", "zk-2"], username: "me", password: "a b/@:", tls: true }),
    ).not.toThrow();
    for (const url of ["zookeeper://h", "zookeeper://me:a%20b@h:1,h2/some/root?auth=sasl", "zookeepers://h1:2281,h2/"])
      await createCluster(url, { nodeId: "a" });
    await expect(createCluster("zookeper://h", { nodeId: "a" })).rejects.toThrow('Did you mean "zookeeper:"');
    await expect(createCluster("zookeeper://h", { nodeId: "a", prefix: "x" })).rejects.toThrow(
      "prefix is an option of Redis",
    );
  });
});

const server = await sharedServer("zookeeper");

describe("zookeeper cluster: what is not there, or is something else", () => {
  it("nothing listens", async () => {
    const port = await freePort();
    const error = await startError({ servers: `127.0.0.1:${port}`, username: "me", password: SECRET });
    expect(error).toMatchObject({ code: "UNAVAILABLE", retryable: true });
    expect(error.message).toContain(`127.0.0.1:${port}`);
  });

  it("a web server listens", async () => {
    const web = createServer((_, response) => response.end("hello")).listen(0, "127.0.0.1");
    await new Promise((resolve) => web.once("listening", resolve));
    const { port } = web.address() as AddressInfo;
    const error = await startError({ servers: `127.0.0.1:${port}` });
    expect(error).toMatchObject({ code: "STORE_FOREIGN", retryable: false });
    expect(error.message).toContain("is not ZooKeeper");
    web.close();
    web.closeAllConnections();
  });

  it("something listens that says nothing", async () => {
    const sockets = new Set<Socket>();
    const silent = createTcpServer((socket) => sockets.add(socket.on("error", () => undefined))).listen(0, "127.0.0.1");
    await new Promise((resolve) => silent.once("listening", resolve));
    const { port } = silent.address() as AddressInfo;
    const error = await startError({ servers: `127.0.0.1:${port}`, connectTimeout: "1s" });
    expect(error).toMatchObject({ code: "UNAVAILABLE", retryable: true });
    expect(error.message).toMatch(/Something listens at 127\.0\.0\.1:\d+, but gave no answer of ZooKeeper's protocol/);
    for (const socket of sockets) socket.destroy();
    silent.close();
  });

  it("a server goes: what a push is told names it", async () => {
    const own = await startServer("zookeeper");
    const where = `${own.host}:${own.port}`;
    // Opening and the first push have the time of a call, too, on a server that has just begun.
    const short = { callTimeout: "2s", pushTimeout: "8s", logger: silentLogger } as const;
    await using queue = zookeeperQueue(where, { ...short, root: `/test-${randomUUID()}` });
    await queue.push(createJob(1));
    await own.remove();
    const error = await queue.push(createJob(2)).then(
      () => new Error("it was stored"),
      (thrown: JobferryError) => thrown,
    );
    expect(error).toMatchObject({ code: "UNAVAILABLE", retryable: true });
    expect(error.message).toContain(where);
  });

  it.each(["redis", "rabbitmq", "postgres"] as const)("%s listens", async (name) => {
    const other = await sharedServer(name);
    if (other === undefined) return;
    const error = await startError({ servers: `${other.host}:${other.port}` });
    // One of another kind answers, or ends the connection without a word as a ZooKeeper does that does not serve.
    expect(error.code).toMatch(/^(STORE_FOREIGN|UNAVAILABLE)$/);
  });
});

describe.runIf(server !== undefined)("zookeeper cluster: a server that does not do", async () => {
  const servers = `${server?.host}:${server?.port}`;
  const ports = [server?.port ?? 0];

  it("grants other times than asked", async () => {
    await using strict = await startServer("zookeeper", { sessionTimeouts: [4_000, 8_000] });
    const at = `${strict.host}:${strict.port}`;
    const short = await startError({ servers: at, electionTimeout: "2s" });
    expect(short).toMatchObject({ code: "INVALID_ARGUMENT", retryable: false });
    expect(short.message).toMatch(/2000 ms was asked for and ZooKeeper grants 4000 ms.*minSessionTimeout/);
    const long = await startError({ servers: at, electionTimeout: "20s" });
    expect(long.message).toMatch(/grants 8000 ms.*maxSessionTimeout/);
    const fits = zookeeperCluster({ nodeId: "a", servers: at, electionTimeout: "5s" });
    await fits.start();
    await fits.stop();
  });

  it("has an access list that only reads", async () => {
    const root = `/read-${randomUUID()}`;
    await using owner = await keptClient(
      serversAt(ports, { login: { scheme: "digest", username: "owner", password: "x" } }),
    );
    const acl = [...CREATOR, { permissions: 1, scheme: "world", id: "anyone" }];
    await owner.call(requests.write({ op: "create", path: root, data: NOTHING, mode: "persistent", acl }));
    const error = await startError({ servers, root });
    expect(error).toMatchObject({ code: "ACCESS_DENIED", retryable: false });
    expect(error.message).toContain(root);
  });

  it("has nodes that another login made", async () => {
    const root = `/made-${randomUUID()}`;
    const own = { servers, root, username: "me", password: SECRET };
    const first = zookeeperCluster({ nodeId: "a", ...own });
    await first.start();
    expect(await startError({ servers, root, nodeId: "b" })).toMatchObject({ code: "ACCESS_DENIED" });
    expect(await startError({ ...own, nodeId: "b", password: "another" })).toMatchObject({ code: "ACCESS_DENIED" });
    const second = zookeeperCluster({ nodeId: "b", ...own });
    await second.start();
    await Promise.all([first.stop(), second.stop()]);
  });

  it("has something else at the root", async () => {
    await using client = await keptClient(serversAt(ports));
    const node = (path: string, data: Uint8Array, mode: "persistent" | "ephemeral") =>
      client.call(requests.write({ op: "create", path, data, mode, acl: EVERYBODY }));
    const [taken, ephemeral, filled] = ["taken", "ephemeral", "filled"].map((name) => `/${name}-${randomUUID()}`) as [
      string,
      string,
      string,
    ];
    await node(taken, Buffer.from("somebody's"), "persistent");
    await node(ephemeral, NOTHING, "ephemeral");
    await node(filled, NOTHING, "persistent");
    await node(`${filled}/child`, NOTHING, "persistent");
    for (const root of [taken, ephemeral, filled])
      expect(await startError({ servers, root })).toMatchObject({ code: "STORE_FOREIGN", retryable: false });
    await node(`${filled}/newer`, Buffer.from("jobferry:99"), "persistent");
    expect(await startError({ servers, root: `${filled}/newer` })).toMatchObject({ code: "STORE_NEWER" });
    // An empty one was made for us.
    await node(`${filled}/ours`, NOTHING, "persistent");
    const cluster = zookeeperCluster({ nodeId: "a", servers, root: `${filled}/ours` });
    await cluster.start();
    await cluster.stop();
  });

  it("has something below a key", async () => {
    const root = `/below-${randomUUID()}`;
    const store = zookeeperCoordinationStore({ servers, root });
    await store.open({ clock: systemClock });
    await store.transact([], [{ put: "a/b/c", value: NOTHING }]);
    await using client = await keptClient(serversAt(ports));
    const path = `${root}/k/a,b/c/child`;
    await client.call(requests.write({ op: "create", path, data: NOTHING, mode: "persistent", acl: EVERYBODY }));
    const error = await store.transact([], [{ delete: "a/b/c" }]).catch((thrown: unknown) => thrown);
    expect(store.classify(error)).toMatchObject({ code: "STORE_FOREIGN", retryable: false });
    await store.close();
  });

  it("wants TLS, or does not speak it", async () => {
    await using secure = await startServer("zookeeper", { tls: true });
    const plain = await startError({ servers: `${secure.host}:${secure.port}` });
    expect(plain).toMatchObject({ code: "ACCESS_DENIED", retryable: false });
    expect(plain.message).toContain("wants TLS");
    const untrusted = await startError({ servers: `${secure.host}:${secure.port}`, tls: true });
    expect(untrusted).toMatchObject({ code: "ACCESS_DENIED", retryable: false });
    expect(untrusted.message).toContain("tls.ca");
    expect(await startError({ servers, tls: true })).toMatchObject({ code: "ACCESS_DENIED", retryable: false });
  });

  it("wants a login by SASL", async () => {
    await using strict = await startServer("zookeeper", { password: "right" });
    const at = `${strict.host}:${strict.port}`;
    const login = { servers: at, username: "jobferry", authentication: "sasl" };
    expect(await startError({ servers: at })).toMatchObject({ code: "ACCESS_DENIED", retryable: false });
    expect(await startError({ ...login, password: SECRET })).toMatchObject({
      ...{ code: "ACCESS_DENIED", retryable: false },
      message: expect.stringContaining("refused the username or password") as unknown,
    });
    const cluster = zookeeperCluster({ nodeId: "a", ...login, password: "right" } as ZookeeperClusterOptions);
    await cluster.start();
    expect((await cluster.nodes()).map(({ id }) => id)).toEqual(["a"]);
    await cluster.stop();
  });

  it("takes less than its clients are told", async () => {
    await using small = await startServer("zookeeper", { args: ["-Djute.maxbuffer=20000"] });
    const at = `${small.host}:${small.port}`;
    const value = new Uint8Array(30_000);
    const store = zookeeperCoordinationStore({ servers: at });
    await store.open({ clock: systemClock });
    const lost = await store.transact([], [{ put: "a/b/c", value }]).catch((error: unknown) => error);
    expect(store.classify(lost)).toMatchObject({
      code: "UNAVAILABLE",
      message: expect.stringContaining("jute.maxbuffer") as unknown,
    });
    await store.close();
    const told = zookeeperCoordinationStore({ servers: at, maxRequestBytes: 20_000 });
    await told.open({ clock: systemClock });
    const refused = await told.transact([], [{ put: "a/b/c", value }]).catch((error: unknown) => error);
    expect(told.classify(refused)).toMatchObject({ code: "PAYLOAD_TOO_LARGE", retryable: false });
    await told.close();
  });
});

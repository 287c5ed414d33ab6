// The distributed demo on real servers: those that it starts, and those that are there.
import { randomBytes } from "node:crypto";
import { readdirSync } from "node:fs";
import { chmod } from "node:fs/promises";
import { Redis } from "ioredis";
import pg from "pg";
import { afterAll, describe, expect, it } from "vitest";
import { base64, etcdGateway, etcdToken } from "../../scripts/servers/etcd-gateway.ts";
import { consulRequest } from "../../scripts/servers/consul-request.ts";
import { readNames } from "../../src/drivers/zookeeper/client/replies.ts";
import { requests } from "../../src/drivers/zookeeper/client/requests.ts";
import { isServerAvailable, sharedServer, startServer } from "../servers/shared-server.ts";
import { endOf, startDemo } from "./distributed-run.ts";
import { inEmptyFolder } from "./run-example.ts";
import { keptClient, serversAt } from "../zookeeper/raw-client.ts";

const ARGS = ["--nodes", "3", "--jobs", "600"];

function expectProof(output: string): void {
  expect(output).toMatch(/Killed node-\d \(process \d+\) with SIGKILL\./);
  expect(output).toMatch(/node-\d leads \d+ ms later, with term \d+\./);
  expect(output).toContain("600 jobs pushed, 600 completed, each once and with the right result; 0 lost.");
}

describe.each(["redis", "postgres"] as const)("distributed demo on %s", async (kind) => {
  it.runIf(await isServerAvailable(kind))("starts a server of its own, and takes it away again", async () => {
    await inEmptyFolder(async (folder) => {
      await chmod(folder, 0o755); // PostgreSQL runs as a user of its own
      const { child, output } = startDemo(folder, ["--cluster", kind, ...ARGS]);
      expect(await endOf(child), output()).toBe(0);
      expect(output()).toMatch(/Started (Redis|PostgreSQL) [\d.]+ at 127\.0\.0\.1:\d+\./);
      expectProof(output());
      expect(readdirSync(folder)).toEqual([]);
    });
  });
});

const redis = await sharedServer("redis");
describe.runIf(redis)("distributed demo on a Redis that is there", () => {
  it("keeps to a place of its own, and empties it", async () => {
    const [host = "", port = 0] = [redis?.host, redis?.port];
    const client = new Redis(port, host);
    const mine = `mine:${randomBytes(4).toString("hex")}`;
    await client.set(mine, "stays");
    const { output, child } = startDemo(process.cwd(), ["--cluster", "redis", ...ARGS], {
      REDIS_ADDR: `${host}:${port}`,
    });
    expect(await endOf(child), output()).toBe(0);
    expect(output()).toContain(`Using the Redis at ${host}:${port}.`);
    expectProof(output());
    const keys = await client.keys("*");
    // Its place has a name of its own; the other demo, which may run meanwhile, has a queue of that name.
    expect(keys.filter((key) => /jobferry-demo-[0-9a-f]{8}/.test(key))).toEqual([]);
    expect(await client.getdel(mine)).toBe("stays");
    await client.quit();
  });
});

describe.each(["etcd", "consul", "zookeeper"] as const)("distributed demo on %s", async (kind) => {
  it.runIf(await isServerAvailable(`${kind}-cluster`))("starts three servers, and takes them away again", async () => {
    await inEmptyFolder(async (folder) => {
      const { child, output } = startDemo(folder, ["--cluster", kind, ...ARGS]);
      expect(await endOf(child), output()).toBe(0);
      expect(output()).toMatch(/Started (etcd|Consul|ZooKeeper) [\d.]+ at (127\.0\.0\.1:\d+,?){3}\./);
      expectProof(output());
      expect(readdirSync(folder)).toEqual([]);
    });
  });
});

const etcd = await sharedServer("etcd");
describe.runIf(etcd)("distributed demo on an etcd that is there", () => {
  it("keeps to keys of its own, and removes them", async () => {
    const port = etcd?.port ?? 0;
    const place = `127.0.0.1:${port}`;
    const { output, child } = startDemo(process.cwd(), ["--cluster", "etcd", ...ARGS], { ETCD_ENDPOINTS: place });
    expect(await endOf(child), output()).toBe(0);
    expect(output()).toContain(`Using the etcd at ${place}.`);
    expectProof(output());
    const range = { key: base64("jobferry-demo-"), range_end: base64("jobferry-demo."), count_only: true };
    expect(await etcdGateway({ port }, "/v3/kv/range", range)).not.toHaveProperty("count");
  });
});

const postgres = await sharedServer("postgres");
describe.runIf(postgres)("distributed demo on a PostgreSQL that is there", () => {
  it("keeps to a schema of its own, and drops it", async () => {
    const url = postgres?.url ?? "";
    const { output, child } = startDemo(process.cwd(), ["--cluster", "postgres", ...ARGS], { POSTGRES_URL: url });
    expect(await endOf(child), output()).toBe(0);
    expectProof(output());
    expect(output()).not.toContain(url);
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    const { rows } = await client.query("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'jobferry_demo%'");
    expect(rows).toEqual([]);
    await client.end();
  });
});

const consul = await sharedServer("consul");
describe.runIf(consul)("distributed demo on a Consul that is there", () => {
  it("keeps to a prefix of its own, and empties it", async () => {
    const [host = "", port = 0] = [consul?.host, consul?.port];
    const CONSUL_ADDRESS = `${host}:${port}`;
    const { output, child } = startDemo(process.cwd(), ["--cluster", "consul", ...ARGS], { CONSUL_ADDRESS });
    expect(await endOf(child), output()).toBe(0);
    expectProof(output());
    expect(output()).toContain(`Using the Consul at ${CONSUL_ADDRESS}.`);
    const { text } = await consulRequest({ port }, "GET", "/v1/kv/jobferry-demo-?keys");
    expect(text).toBe("");
  });
});

const SECRET = "very-secret";
const FEW = ["--nodes", "2", "--jobs", "100"];

describe.runIf(etcd)("distributed demo on an etcd with users", () => {
  it("logs in, also to remove its keys", async () => {
    await using guarded = await startServer("etcd", { password: SECRET });
    const { port } = guarded;
    const env = { ETCD_ENDPOINTS: `127.0.0.1:${port}`, ETCD_USERNAME: "root", ETCD_PASSWORD: SECRET };
    const { output, child } = startDemo(process.cwd(), ["--cluster", "etcd", ...FEW], env);
    expect(await endOf(child), output()).toBe(0);
    expect(output()).not.toMatch(/very-secret|Cleaning up failed/);
    const token = await etcdToken({ port }, "root", SECRET);
    const all = { key: base64("\0"), range_end: base64("\0"), count_only: true };
    expect(await etcdGateway({ port, token }, "/v3/kv/range", all)).not.toHaveProperty("count");
  });
});

describe.runIf(consul)("distributed demo on a Consul with access lists", async () => {
  if (consul === undefined) return;
  const guarded = await startServer("consul", { password: SECRET });
  afterAll(() => guarded.remove());
  const { port } = guarded;

  it.each([
    { CONSUL_ADDRESS: `consul://:${SECRET}@127.0.0.1:${port}` },
    { CONSUL_ADDRESS: `127.0.0.1:${port}`, CONSUL_TOKEN: SECRET },
  ])("shows its token to work and to remove its keys, and to nobody else: %j", async (env) => {
    const { output, child } = startDemo(process.cwd(), ["--cluster", "consul", ...FEW], env);
    expect(await endOf(child), output()).toBe(0);
    expect(output()).not.toMatch(/very-secret|Cleaning up failed/);
    const { text } = await consulRequest({ port, token: SECRET }, "GET", "/v1/kv/?keys");
    // So it lists nothing where it has access lists.
    expect(JSON.parse(text)).toEqual([]);
  });
});

const zookeeper = await sharedServer("zookeeper");
describe.runIf(zookeeper)("distributed demo on a ZooKeeper that is there", () => {
  it("keeps the cluster and the jobs below a node of its own, and removes it", async () => {
    const port = zookeeper?.port ?? 0;
    const ZOOKEEPER_SERVERS = `${zookeeper?.host}:${port}`;
    await inEmptyFolder(async (folder) => {
      const { output, child } = startDemo(folder, ["--cluster", "zookeeper", ...ARGS], { ZOOKEEPER_SERVERS });
      expect(await endOf(child), output()).toBe(0);
      expectProof(output());
      expect(output()).toContain(`Using the ZooKeeper at ${ZOOKEEPER_SERVERS}.`);
      expect(output()).not.toContain("SQLite");
      expect(readdirSync(folder)).toEqual([]);
    });
    await using client = await keptClient(serversAt([port]));
    const { body } = await client.call(requests.getChildren2("/"));
    expect(readNames(body).filter((name) => name.startsWith("jobferry-demo-"))).toEqual([]);
  });
});

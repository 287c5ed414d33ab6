import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ClusterType, readEnvironment } from "./environment.ts";

/** Where the nodes meet: what their environment says, and what removes it again. */
export type Scene = Readonly<{ env: Readonly<Record<string, string>>; note: string; leave(): Promise<void> }>;

/** Uses the server that the environment names, in a place of its own, or starts one. */
export async function setScene(type: ClusterType): Promise<Scene> {
  const CLUSTER_NAME = `jobferry-demo-${randomBytes(4).toString("hex")}`;
  switch (type) {
    case "memory":
      return { env: { CLUSTER_NAME }, note: "Nodes inside this process.", leave: () => Promise.resolve() };
    case "sqlite": {
      const folder = await mkdtemp(join(tmpdir(), "jobferry-demo-"));
      return {
        env: { CLUSTER_NAME, SQLITE_PATH: join(folder, "cluster.db") },
        note: "Nodes share a SQLite file.",
        leave: () => rm(folder, { recursive: true, force: true }),
      };
    }
    case "redis":
      return process.env["REDIS_ADDR"] === undefined ? startedRedis(CLUSTER_NAME) : givenRedis(CLUSTER_NAME);
    case "etcd":
      return process.env["ETCD_ENDPOINTS"] === undefined ? startedEtcd(CLUSTER_NAME) : givenEtcd(CLUSTER_NAME);
    case "consul":
      return process.env["CONSUL_ADDRESS"] === undefined ? startedConsul(CLUSTER_NAME) : givenConsul(CLUSTER_NAME);
    case "zookeeper":
      return process.env["ZOOKEEPER_SERVERS"] === undefined
        ? startedZookeeper(CLUSTER_NAME)
        : givenZookeeper(CLUSTER_NAME);
    case "postgres":
      return process.env["POSTGRES_URL"] === undefined ? startedPostgres(CLUSTER_NAME) : givenPostgres(CLUSTER_NAME);
  }
}

async function startedRedis(CLUSTER_NAME: string): Promise<Scene> {
  const { server, leave } = await started("redis");
  const REDIS_ADDR = `${server.host}:${server.port}`;
  return { env: { CLUSTER_NAME, REDIS_ADDR }, note: `Started Redis ${server.version} at ${REDIS_ADDR}.`, leave };
}

async function startedPostgres(CLUSTER_NAME: string): Promise<Scene> {
  const { server, leave } = await started("postgres");
  const where = `${server.host}:${server.port}`;
  const env = { CLUSTER_NAME, POSTGRES_URL: server.url };
  return { env, note: `Started PostgreSQL ${server.version} at ${where}.`, leave };
}

async function startedEtcd(CLUSTER_NAME: string): Promise<Scene> {
  const { server, leave } = await started("etcd-cluster");
  const ETCD_ENDPOINTS = Object.values(server.endpoints).join(",");
  return { env: { CLUSTER_NAME, ETCD_ENDPOINTS }, note: `Started etcd ${server.version} at ${ETCD_ENDPOINTS}.`, leave };
}

async function givenEtcd(CLUSTER_NAME: string): Promise<Scene> {
  const { ETCD_ENDPOINTS = "" } = process.env;
  const leave = async (): Promise<void> => {
    const [first = ""] = ETCD_ENDPOINTS.split(",");
    const [key, range_end] = [`${CLUSTER_NAME}/`, `${CLUSTER_NAME}0`].map((text) =>
      Buffer.from(text).toString("base64"),
    );
    const url = `${first.includes("://") ? "" : "http://"}${first.trim()}/v3/kv/deleterange`;
    const response = await fetch(url, { method: "POST", body: JSON.stringify({ key, range_end }) });
    if (!response.ok) throw new Error(`etcd answered with ${response.status}.`);
  };
  return { env: { CLUSTER_NAME, ETCD_ENDPOINTS }, note: `Using the etcd at ${ETCD_ENDPOINTS}.`, leave };
}

async function startedConsul(CLUSTER_NAME: string): Promise<Scene> {
  const { server, leave } = await started("consul-cluster");
  const CONSUL_ADDRESS = Object.values(server.endpoints).join(",");
  const note = `Started Consul ${server.version} at ${CONSUL_ADDRESS}.`;
  return { env: { CLUSTER_NAME, CONSUL_ADDRESS }, note, leave };
}

async function givenConsul(CLUSTER_NAME: string): Promise<Scene> {
  const { CONSUL_ADDRESS = "", CONSUL_TOKEN } = process.env;
  const leave = async (): Promise<void> => {
    const [first = ""] = CONSUL_ADDRESS.replace(/^\w+:\/\/(?:[^@]*@)?/, "").split(",");
    const isSecure = /^(consuls|https):/i.test(CONSUL_ADDRESS);
    const url = `${isSecure ? "https" : "http"}://${first.trim()}/v1/kv/${CLUSTER_NAME}/?recurse`;
    const headers = CONSUL_TOKEN === undefined ? {} : { "X-Consul-Token": CONSUL_TOKEN };
    const response = await fetch(url, { method: "DELETE", headers });
    if (!response.ok) throw new Error(`Consul answered with ${response.status}.`);
  };
  // The address may hold a token.
  return { env: { CLUSTER_NAME, CONSUL_ADDRESS }, note: "Using the Consul of CONSUL_ADDRESS.", leave };
}

async function startedZookeeper(CLUSTER_NAME: string): Promise<Scene> {
  const { server, leave } = await started("zookeeper-cluster");
  const ZOOKEEPER_SERVERS = Object.values(server.endpoints).join(",");
  const note = `Started ZooKeeper ${server.version} at ${ZOOKEEPER_SERVERS}.`;
  return { env: { CLUSTER_NAME, ZOOKEEPER_SERVERS }, note, leave };
}

async function givenZookeeper(CLUSTER_NAME: string): Promise<Scene> {
  const { ZOOKEEPER_SERVERS = "" } = process.env;
  const env = { CLUSTER_NAME, ZOOKEEPER_SERVERS };
  const leave = async (): Promise<void> => {
    const { zookeeper } = readEnvironment({ ...process.env, CLUSTER_TYPE: "zookeeper" });
    const { removeZookeeperNodes } = await import("./zookeeper-nodes.ts");
    await removeZookeeperNodes({ ...zookeeper, root: `/${CLUSTER_NAME}` });
  };
  return { env, note: `Using the ZooKeeper at ${ZOOKEEPER_SERVERS}.`, leave };
}

async function started(name: "redis" | "postgres" | "etcd-cluster" | "consul-cluster" | "zookeeper-cluster") {
  const [{ startServer }, { closeGuardian }] = await Promise.all([
    import("../../scripts/servers/start-server.ts"),
    import("../../scripts/servers/guarded.ts"),
  ]);
  const server = await startServer(name, { durable: true });
  return { server, leave: closeGuardian };
}

async function givenRedis(CLUSTER_NAME: string): Promise<Scene> {
  const { REDIS_ADDR = "", REDIS_PASSWORD, REDIS_DB } = process.env;
  const { Redis } = await import("ioredis");
  const leave = async (): Promise<void> => {
    const [host = "", port] = REDIS_ADDR.split(":");
    const client = new Redis({
      ...{ host, port: Number(port ?? 6379), db: Number(REDIS_DB ?? 0) },
      ...(REDIS_PASSWORD === undefined ? {} : { password: REDIS_PASSWORD }),
      ...{ lazyConnect: true, retryStrategy: () => null },
    });
    client.on("error", () => undefined); // connect() rejects with it
    await client.connect();
    for await (const keys of client.scanStream({ match: `*${CLUSTER_NAME}*` })) {
      if ((keys as readonly string[]).length > 0) await client.unlink(...(keys as string[]));
    }
    await client.quit();
  };
  return { env: { CLUSTER_NAME, REDIS_ADDR }, note: `Using the Redis at ${REDIS_ADDR}.`, leave };
}

async function givenPostgres(CLUSTER_NAME: string): Promise<Scene> {
  const { POSTGRES_URL = "" } = process.env;
  const { default: pg } = await import("pg");
  const leave = async (): Promise<void> => {
    const client = new pg.Client({ connectionString: POSTGRES_URL });
    await client.connect();
    await client.query(`DROP SCHEMA IF EXISTS ${client.escapeIdentifier(CLUSTER_NAME.replaceAll("-", "_"))} CASCADE`);
    await client.end();
  };
  return { env: { CLUSTER_NAME, POSTGRES_URL }, note: "Using the PostgreSQL of POSTGRES_URL.", leave };
}

import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ClusterType, type NodeSettings, readEnvironment } from "./environment.ts";

/** Where the nodes meet: what their environment says, and what removes it again. */
export type Scene = Readonly<{ env: Readonly<Record<string, string>>; note: string; leave(): Promise<void> }>;

/** Uses the server that the environment names, in a place of its own, or starts one. No note repeats an address as it was written: it may hold a secret. */
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
  const env = { CLUSTER_NAME, REDIS_ADDR, REDIS_PASSWORD: "", REDIS_DB: "" };
  return { env, note: `Started Redis ${server.version} at ${REDIS_ADDR}.`, leave };
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
  const note = `Started etcd ${server.version} at ${ETCD_ENDPOINTS}.`;
  return { env: { CLUSTER_NAME, ETCD_ENDPOINTS, ETCD_USERNAME: "", ETCD_PASSWORD: "" }, note, leave };
}

async function givenEtcd(CLUSTER_NAME: string): Promise<Scene> {
  const { shownEtcd, removeEtcdKeys } = await import("./etcd-keys.ts");
  const place = { ...given("etcd").etcd, prefix: CLUSTER_NAME };
  const note = `Using the etcd at ${shownEtcd(place)}.`;
  return { env: { CLUSTER_NAME }, note, leave: () => removeEtcdKeys(place) };
}

async function startedConsul(CLUSTER_NAME: string): Promise<Scene> {
  const { server, leave } = await started("consul-cluster");
  const CONSUL_ADDRESS = Object.values(server.endpoints).join(",");
  const note = `Started Consul ${server.version} at ${CONSUL_ADDRESS}.`;
  return { env: { CLUSTER_NAME, CONSUL_ADDRESS, CONSUL_TOKEN: "" }, note, leave };
}

async function givenConsul(CLUSTER_NAME: string): Promise<Scene> {
  const { shownConsul, removeConsulKeys } = await import("./consul-keys.ts");
  const place = { ...given("consul").consul, prefix: CLUSTER_NAME };
  const note = `Using the Consul at ${shownConsul(place)}.`;
  return { env: { CLUSTER_NAME }, note, leave: () => removeConsulKeys(place) };
}

async function startedZookeeper(CLUSTER_NAME: string): Promise<Scene> {
  const { server, leave } = await started("zookeeper-cluster");
  const ZOOKEEPER_SERVERS = Object.values(server.endpoints).join(",");
  const note = `Started ZooKeeper ${server.version} at ${ZOOKEEPER_SERVERS}.`;
  const env = { CLUSTER_NAME, ZOOKEEPER_SERVERS, ZOOKEEPER_USERNAME: "", ZOOKEEPER_PASSWORD: "" };
  return { env, note, leave };
}

async function givenZookeeper(CLUSTER_NAME: string): Promise<Scene> {
  const { shownZookeeper, removeZookeeperNodes } = await import("./zookeeper-nodes.ts");
  const place = { ...given("zookeeper").zookeeper, root: `/${CLUSTER_NAME}` };
  const note = `Using the ZooKeeper at ${shownZookeeper(place)}.`;
  return { env: { CLUSTER_NAME }, note, leave: () => removeZookeeperNodes(place) };
}

/** What this process's environment says. The nodes read the same. */
function given(type: ClusterType): NodeSettings {
  return readEnvironment({ ...process.env, CLUSTER_TYPE: type });
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
  const { addr, password, db } = given("redis").redis;
  const { Redis } = await import("ioredis");
  const leave = async (): Promise<void> => {
    const [host = "", port] = addr.split(":");
    const client = new Redis({
      ...{ host, port: Number(port ?? 6379), db },
      ...(password === undefined ? {} : { password }),
      ...{ lazyConnect: true, retryStrategy: () => null },
    });
    client.on("error", () => undefined); // connect() rejects with it
    await client.connect();
    for await (const keys of client.scanStream({ match: `*${CLUSTER_NAME}*` })) {
      if ((keys as readonly string[]).length > 0) await client.unlink(...(keys as string[]));
    }
    await client.quit();
  };
  return { env: { CLUSTER_NAME }, note: `Using the Redis at ${addr}.`, leave };
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

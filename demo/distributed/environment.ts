import { hostname } from "node:os";
import { type Duration, parseDuration } from "jobferry";

export const CLUSTER_TYPES = ["redis", "postgres", "etcd", "consul", "zookeeper", "sqlite", "memory"] as const;
export type ClusterType = (typeof CLUSTER_TYPES)[number];

/** One node, as its environment describes it. */
export type NodeSettings = Readonly<{
  type: ClusterType;
  nodeId: string;
  /** Of the cluster, and of the jobs' place in the store. */
  name: string;
  electionMs: number;
  workers: number;
  /** How long a job takes. */
  workMs: number;
  /** Jobs that this node pushes by itself; 0: others do. */
  pushPerSecond: number;
  /** Whether finished jobs stay in the store, for a check. */
  keepCompleted: boolean;
  redis: Readonly<{ addr: string; password: string | undefined; db: number }>;
  postgresUrl: string;
  etcd: Readonly<{ endpoints: readonly string[]; username?: string; password?: string }>;
  consul: Readonly<{ address: string; token?: string }>;
  zookeeper: Readonly<{ servers: string; username?: string; password?: string }>;
  sqlitePath: string;
}>;

/** @throws Error that names the variable. */
export function readEnvironment(env: NodeJS.ProcessEnv): NodeSettings {
  return {
    type: clusterType(env["CLUSTER_TYPE"] ?? ""),
    nodeId: env["NODE_ID"] || hostname(),
    name: env["CLUSTER_NAME"] || "jobferry-demo",
    electionMs: parseDuration((env["ELECTION_TIMEOUT"] || "10s") as Duration, "ELECTION_TIMEOUT", { min: 1 }),
    workers: wholeNumber(env, "WORKER_COUNT", 4),
    workMs: wholeNumber(env, "WORK_MS", 40),
    pushPerSecond: wholeNumber(env, "PUSH_PER_SECOND", 0),
    keepCompleted: env["KEEP_COMPLETED"] === "1",
    redis: {
      addr: withoutLogin(env["REDIS_ADDR"] || "127.0.0.1:6379"),
      password: env["REDIS_PASSWORD"] || undefined,
      db: wholeNumber(env, "REDIS_DB", 0),
    },
    postgresUrl: env["POSTGRES_URL"] || "postgres://postgres@127.0.0.1:5432/postgres",
    etcd: {
      endpoints: (env["ETCD_ENDPOINTS"] || "127.0.0.1:2379").split(",").map((endpoint) => endpoint.trim()),
      ...loginOf(env, "ETCD"),
    },
    consul: {
      address: env["CONSUL_ADDRESS"] || "127.0.0.1:8500",
      ...(env["CONSUL_TOKEN"] ? { token: env["CONSUL_TOKEN"] } : {}),
    },
    zookeeper: { servers: env["ZOOKEEPER_SERVERS"] || "127.0.0.1:2181", ...loginOf(env, "ZOOKEEPER") },
    sqlitePath: env["SQLITE_PATH"] || "./jobferry-demo.db",
  };
}

function clusterType(text: string): ClusterType {
  const type = CLUSTER_TYPES.find((known) => known === text);
  if (type !== undefined) return type;
  throw new Error(`CLUSTER_TYPE is ${JSON.stringify(text)}; it must be one of ${CLUSTER_TYPES.join(", ")}.`);
}

function loginOf(env: NodeJS.ProcessEnv, store: string): Readonly<{ username?: string; password?: string }> {
  const { [`${store}_USERNAME`]: username, [`${store}_PASSWORD`]: password } = env;
  return { ...(username ? { username } : {}), ...(password ? { password } : {}) };
}

/** It is shown. */
function withoutLogin(addr: string): string {
  if (!addr.includes("@")) return addr;
  throw new Error("REDIS_ADDR has an @; it must be host:port, and a password stands in REDIS_PASSWORD.");
}

function wholeNumber(env: NodeJS.ProcessEnv, name: string, fallback: number): number {
  const text = env[name] || String(fallback);
  if (/^\d{1,6}$/.test(text)) return Number(text);
  throw new Error(`${name} is ${JSON.stringify(text)}; it must be a whole number.`);
}

// The stores on real servers that the tests of the command line run on, each test file with a part of the server of its own.
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sqliteQueue } from "jobferry/sqlite";
import { makeDatabase } from "../postgres/database.ts";
import { sharedServer } from "../servers/shared-server.ts";

export type ServerStore = Readonly<{
  title: string;
  /** What the command line is given. */
  env: Readonly<Record<string, string>>;
  /** Which single jobs can be looked up. */
  records: "all" | "resting" | "none";
  pause: boolean;
  pushById: boolean;
  end: () => Promise<void>;
}>;

/** Those that this run has. */
export async function serverStores(): Promise<readonly ServerStore[]> {
  const brokers = (["rabbitmq", "rabbitmq-4"] as const).flatMap((name) => [
    rabbitmq(name, "none"),
    rabbitmq(name, "resting"),
  ]);
  const groups = ["redis", "redis-sentinel", "redis-cluster"] as const;
  const coordinated = (["etcd", "consul", "zookeeper"] as const).map(coordinationStore);
  const found = await Promise.all([postgres(), ...groups.map(redis), ...brokers, ...coordinated]);
  return found.filter((store) => store !== undefined);
}

async function postgres(): Promise<ServerStore | undefined> {
  const server = await sharedServer("postgres");
  if (server === undefined) return undefined;
  const database = await makeDatabase(server, "cli");
  const env = { JOBFERRY_URL: database.url };
  return { title: "postgres", env, records: "all", pause: true, pushById: true, end: () => database.drop() };
}

async function redis(kind: "redis" | "redis-sentinel" | "redis-cluster"): Promise<ServerStore | undefined> {
  const server = await sharedServer(kind);
  if (server === undefined) return undefined;
  const env = { JOBFERRY_URL: server.url, JOBFERRY_PREFIX: freshName() };
  return { title: kind, env, records: "all", pause: true, pushById: true, end: () => Promise.resolve() };
}

async function coordinationStore(kind: "etcd" | "consul" | "zookeeper"): Promise<ServerStore | undefined> {
  const server = await sharedServer(kind);
  if (server === undefined) return undefined;
  const env: Readonly<Record<string, string>> =
    kind === "zookeeper"
      ? { JOBFERRY_URL: `${server.url}/${freshName()}` }
      : { JOBFERRY_URL: server.url, JOBFERRY_PREFIX: freshName() };
  return { title: kind, env, records: "all", pause: true, pushById: true, end: () => Promise.resolve() };
}

async function rabbitmq(
  name: "rabbitmq" | "rabbitmq-4",
  records: "resting" | "none",
): Promise<ServerStore | undefined> {
  const server = await sharedServer(name);
  if (server === undefined) return undefined;
  const folder = mkdtempSync(join(tmpdir(), "jobferry-cli-records-"));
  const file = join(folder, "failed.db");
  if (records === "resting") await (await sqliteQueue(file).open()).close();
  const second = records === "none" ? {} : { JOBFERRY_RECORDS: `sqlite:${file}` };
  return {
    title: records === "none" ? name : `${name} with records`,
    env: { JOBFERRY_URL: server.url, JOBFERRY_PREFIX: freshName(), ...second },
    ...{ records, pause: false, pushById: false },
    end: async () => rmSync(folder, { recursive: true, force: true }),
  };
}

function freshName(): string {
  return `cli-${randomBytes(6).toString("hex")}`;
}

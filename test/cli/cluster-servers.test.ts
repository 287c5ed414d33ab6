// The commands for clusters on real servers.
import { randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import { type Cluster, createCluster, createJob, DistributedQueue } from "../../src/entry/index.ts";
import { silentLogger } from "../../src/runtime/index.ts";
import { sharedServer } from "../servers/shared-server.ts";
import { dataOf, errorOf, Sandbox } from "./run-cli.ts";

const place = `cli_${randomBytes(4).toString("hex")}`;
type Target = Readonly<{
  url: string;
  args: readonly string[];
  node(nodeId: string): Promise<Cluster>;
}>;

const redis = await sharedServer("redis");
const postgres = await sharedServer("postgres");
const options = { electionTimeout: "3s", logger: silentLogger } as const;
const targets: [string, Target][] = [];
if (redis !== undefined) {
  const { url } = redis;
  const node = (nodeId: string): Promise<Cluster> => createCluster(url, { nodeId, prefix: place, ...options });
  targets.push(["redis", { url, args: ["--prefix", place], node }]);
}
if (postgres !== undefined) {
  const url = `${postgres.url}${postgres.url.includes("?") ? "&" : "?"}schema=${place}`;
  targets.push(["postgres", { url, args: [], node: (nodeId) => createCluster(url, { nodeId, ...options }) }]);
}
const etcd = await sharedServer("etcd");
if (etcd !== undefined) {
  const { url } = etcd;
  const node = (nodeId: string): Promise<Cluster> => createCluster(url, { nodeId, prefix: place, ...options });
  targets.push(["etcd", { url, args: ["--prefix", place], node }]);
}
const consul = await sharedServer("consul");
if (consul !== undefined) {
  const { url } = consul;
  const node = (nodeId: string): Promise<Cluster> => createCluster(url, { nodeId, prefix: place, ...options });
  targets.push(["consul", { url, args: ["--prefix", place], node }]);
}
const zookeeper = await sharedServer("zookeeper");
if (zookeeper !== undefined) {
  const url = `${zookeeper.url}/${place}`;
  const node = (nodeId: string): Promise<Cluster> => createCluster(url, { nodeId, ...options });
  targets.push(["zookeeper", { url, args: [], node }]);
}

describe.runIf(targets.length > 0).each(targets)("cluster on %s", (_kind, { url, args, node }) => {
  test("nodes, leader, locks, plan and broadcast", async () => {
    const sandbox = new Sandbox();
    const data = async (...words: readonly string[]): Promise<unknown> =>
      dataOf(await sandbox.run(["cluster", ...words, ...args, "--url", url, "--json"]));
    const cluster = await node("a");
    const done: unknown[] = [];
    const handler = (job: Readonly<{ payload: unknown }>): void => void done.push(job.payload);
    await using member = new DistributedQueue({ cluster, queues: ["mail"], workerCount: 2, handler });
    await member.start();
    await member.push(createJob("hello", { queue: "mail" }));
    const heard: unknown[] = [];
    await cluster.subscribe("prices", (message) => heard.push(message.data));
    await using lock = await cluster.lock("nightly");
    await data("broadcast", "prices", '{"changed":7}');
    expect(await data("nodes")).toMatchObject([{ id: "a", isLeader: true }]);
    expect(await data("leader")).toMatchObject({ nodeId: "a" });
    expect(await data("locks")).toEqual([{ name: "nightly", holder: "a", token: String(lock.token), waiting: [] }]);
    for (const end = Date.now() + 20_000; !JSON.stringify(await data("plan")).includes("mail");)
      if (Date.now() > end) throw new Error("no plan came");
    expect(await data("plan")).toMatchObject({ isCurrent: true, slots: { a: { mail: 2 } } });
    for (const end = Date.now() + 20_000; heard.length === 0; await new Promise((resolve) => setTimeout(resolve, 20)))
      if (Date.now() > end) throw new Error("the message did not come");
    expect(heard).toEqual([{ changed: 7 }]);
    await expect.poll(() => done, { timeout: 20_000 }).toEqual(["hello"]);
  }, 60_000);
});

describe("a cluster that cannot be reached", () => {
  test.each([
    ["redis://:very-secret@127.0.0.1:1/0", 3],
    ["postgres://app:very-secret@127.0.0.1:1/db", 3],
    ["etcd://app:very-secret@127.0.0.1:1", 3],
    ["consul://:very-secret@127.0.0.1:1,127.0.0.1:2", 3],
    ["zookeeper://app:very-secret@127.0.0.1:1,127.0.0.1:2/root?auth=sasl", 3],
  ])("%s ends with %d, in one line and without the password", async (url, code) => {
    const sandbox = new Sandbox();
    const result = await sandbox.run(["cluster", "nodes", "--json"], "", { JOBFERRY_URL: url });
    expect(result.code, result.stderr).toBe(code);
    expect(errorOf(result)["code"]).toBe("UNAVAILABLE");
    expect(result.stderr).not.toContain("very-secret");
    expect(result.stdout).toBe("");
  });
});

import { readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { endOf, startDemo } from "./distributed-run.ts";
import { inEmptyFolder, runFile } from "./run-example.ts";

const MAIN = "demo/distributed/main.ts";

async function until(holds: () => boolean, what: () => string): Promise<void> {
  for (const end = Date.now() + 60_000; !holds(); await new Promise((resolve) => setTimeout(resolve, 20)))
    if (Date.now() > end) throw new Error(`not in time: ${what()}`);
}

const TYPES = "redis, postgres, etcd, consul, zookeeper, sqlite, memory";

describe("distributed demo", () => {
  it("on SQLite: the leader is killed, another one comes, and every job is proven", async () => {
    await inEmptyFolder(async (folder) => {
      const { child, output } = startDemo(folder, ["--cluster", "sqlite", "--nodes", "3", "--jobs", "600"]);
      expect(await endOf(child), output()).toBe(0);
      expect(output()).toMatch(/Killed node-\d \(process \d+\) with SIGKILL\. It led with term \d+\./);
      expect(output()).toMatch(/node-\d leads \d+ ms later, with term \d+\./);
      expect(output()).toContain("600 jobs pushed, 600 completed, each once and with the right result; 0 lost.");
      const [, node, done] = /(node-\d) │ killed +│ +4 │ +0 │ +(\d+) │/.exec(output()) ?? [];
      expect(node).toBeDefined();
      expect(Number(done)).toBeGreaterThan(0);
      expect(output()).toMatch(/│ all +│ of 600 jobs │ +│ +│ +600 │/);
      // No escape sequences where there is no terminal.
      expect(output()).not.toContain("\u001B");
      expect(readdirSync(folder)).toEqual([]);
    });
  });

  it("in memory: the leader is stopped, and the next one comes at once", async () => {
    const { code, stdout } = await inEmptyFolder((folder) =>
      runFile(MAIN, folder, ["--cluster", "memory", "--jobs", "300"]),
    );
    expect(stdout).toMatch(/Stopped node-\d: a node inside this process cannot be killed\./);
    expect(stdout).toContain("300 jobs pushed, 300 completed, each once and with the right result; 0 lost.");
    expect(code).toBe(0);
  });

  it("leaves nothing behind when it is interrupted", async () => {
    await inEmptyFolder(async (folder) => {
      const { child, output } = startDemo(folder, ["--cluster", "sqlite", "--jobs", "20000"]);
      await until(() => output().includes("jobs |"), output);
      child.kill("SIGINT");
      expect(await endOf(child), output()).toBe(130);
      expect(readdirSync(folder)).toEqual([]);
    });
  });

  it.each([
    ["redis", { REDIS_ADDR: "127.0.0.1:1" }],
    ["postgres", { POSTGRES_URL: "postgres://app:very-secret@127.0.0.1:1/db" }],
    ["etcd", { ETCD_ENDPOINTS: "127.0.0.1:1", ETCD_USERNAME: "app", ETCD_PASSWORD: "very-secret" }],
    ["consul", { CONSUL_ADDRESS: ":very-secret@127.0.0.1:1" }],
    ["consul", { CONSUL_ADDRESS: "consul://:very-secret@127.0.0.1:1" }],
    ["consul", { CONSUL_ADDRESS: "127.0.0.1:1", CONSUL_TOKEN: "very-secret" }],
    ["zookeeper", { ZOOKEEPER_SERVERS: "127.0.0.1:1", ZOOKEEPER_USERNAME: "app", ZOOKEEPER_PASSWORD: "very-secret" }],
  ])("says that %s cannot be reached, and ends", async (cluster, env) => {
    const { child, output } = startDemo(tmpdir(), ["--cluster", cluster], env);
    expect(await endOf(child), output()).toBe(1);
    expect(output()).toMatch(/127\.0\.0\.1:1\b.*ECONNREFUSED/);
    expect(output()).not.toContain("very-secret");
    expect(output()).not.toContain("node-1");
  });

  it.each([
    ["redis", { REDIS_ADDR: ":very-secret@127.0.0.1:1" }, "REDIS_PASSWORD"],
    ["etcd", { ETCD_ENDPOINTS: "http://app:very-secret@127.0.0.1:1" }, "endpoints must be a list"],
    ["etcd", { ETCD_ENDPOINTS: "127.0.0.1:1", ETCD_PASSWORD: "very-secret" }, "belong together"],
    ["consul", { CONSUL_ADDRESS: "very-secret@127.0.0.1:1" }, "a login that is no token"],
    ["zookeeper", { ZOOKEEPER_SERVERS: "app:very-secret@127.0.0.1:1" }, "without a scheme or login"],
  ])(
    "refuses an address of %s with a login in the wrong place, and does not show it",
    async (cluster, env, message) => {
      const { child, output } = startDemo(tmpdir(), ["--cluster", cluster], env);
      expect(await endOf(child), output()).toBe(1);
      expect(output()).toContain(message);
      expect(output()).not.toContain("very-secret");
    },
  );

  it("says what is wrong with its arguments", async () => {
    const { code, stderr } = await runFile(MAIN, tmpdir(), ["--cluster", "paper"]);
    expect(stderr).toContain(`Allowed choices are ${TYPES}.`);
    expect(code).toBe(1);
  });
});

describe("one node by its environment", () => {
  it("joins, works, leads, and leaves when it is told to", async () => {
    await inEmptyFolder(async (folder) => {
      const env = {
        CLUSTER_TYPE: "sqlite",
        SQLITE_PATH: join(folder, "jobs.db"),
        ELECTION_TIMEOUT: "10s",
        WORK_MS: "1",
      };
      const first = startDemo(folder, [], { ...env, NODE_ID: "one", PUSH_PER_SECOND: "50" });
      await until(() => first.output().includes("one leads now"), first.output);
      const second = startDemo(folder, [], { ...env, NODE_ID: "two" });
      await until(() => second.output().includes("two joined the sqlite cluster jobferry-demo"), second.output);
      await until(() => /two node: \d of 4 slots active, [1-9]\d* done; 2 nodes/.test(second.output()), second.output);
      first.child.kill("SIGTERM");
      await until(() => second.output().includes("two leads now"), second.output);
      expect(await endOf(first.child), first.output()).toBe(0);
      expect(first.output()).toContain("one stopped");
      second.child.kill("SIGTERM");
      expect(await endOf(second.child), second.output()).toBe(0);
    });
  });

  it.each([
    [{ CLUSTER_TYPE: "paper" }, `CLUSTER_TYPE is "paper"; it must be one of ${TYPES}.`],
    [{ CLUSTER_TYPE: "memory", WORKER_COUNT: "many" }, 'WORKER_COUNT is "many"; it must be a whole number.'],
    [{ CLUSTER_TYPE: "memory", ELECTION_TIMEOUT: "soon" }, "ELECTION_TIMEOUT"],
  ])("refuses %j", async (env, message) => {
    const { child, output } = startDemo(tmpdir(), [], env);
    expect(await endOf(child)).toBe(1);
    expect(output()).toContain(message);
  });
});

import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { type Cluster, DistributedQueue } from "../../src/entry/index.ts";
import { sqliteCluster } from "../../src/entry/sqlite.ts";
import { silentLogger } from "../../src/runtime/index.ts";
import { errorOf, Sandbox } from "./run-cli.ts";

const open: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one.stop();
});

async function started(sandbox: Sandbox, nodeId: string, name?: string): Promise<Cluster> {
  const options = { nodeId, electionTimeout: "2s", logger: silentLogger, info: { rack: 7 } } as const;
  const cluster = sqliteCluster(sandbox.database, name === undefined ? options : { ...options, name });
  open.push(cluster);
  return cluster.start();
}

async function until<T>(look: () => Promise<T>, holds: (found: T) => boolean): Promise<T> {
  for (const end = Date.now() + 15_000; ; await new Promise((resolve) => setTimeout(resolve, 50))) {
    const found = await look();
    if (holds(found)) return found;
    if (Date.now() > end) throw new Error(`not in time: ${JSON.stringify(found)}`);
  }
}

const lines = (text: string): readonly string[] =>
  text
    .trimEnd()
    .split("\n")
    .map((line) => line.replace(/ {2,}/g, " | "));

describe("cluster", () => {
  test("nodes, leader and plan, as data and as tables", async () => {
    const sandbox = new Sandbox();
    for (const [nodeId, slots] of [
      ["a", 3],
      ["b", 1],
    ] as const) {
      const node = new DistributedQueue({
        ...{ cluster: await started(sandbox, nodeId), queues: { mail: 3, pdf: 1 }, strategy: "weighted" },
        ...{ workerCount: slots, handler: () => undefined },
      });
      open.push(node);
      await node.start();
    }
    type Node = Readonly<{ id: string; load: { slots?: number } | null }>;
    const nodes = await until<readonly Node[]>(
      () => sandbox.data(["cluster", "nodes"]),
      (found) => found.every(({ load }) => load !== null),
    );
    const load = { queues: ["mail", "pdf"], weights: { mail: 3 } };
    expect(nodes).toEqual([
      { id: "a", isLeader: true, startedAt: expect.any(String), info: { rack: 7 }, load: { slots: 3, ...load } },
      { id: "b", isLeader: false, startedAt: expect.any(String), info: { rack: 7 }, load: { slots: 1, ...load } },
    ]);
    expect(await sandbox.data(["cluster", "leader"])).toEqual({ nodeId: "a", term: expect.stringMatching(/^\d+$/) });
    const plan = await until<Readonly<{ slots: object }>>(
      () => sandbox.data(["cluster", "plan"]),
      ({ slots }) => Object.keys(slots).length === 2 && JSON.stringify(slots).includes("pdf"),
    );
    expect(plan).toEqual({
      ...{ term: expect.stringMatching(/^\d+$/), number: expect.any(Number), validForMs: 2_400, isCurrent: true },
      slots: { a: { mail: 2, pdf: 1 }, b: { mail: 1 } },
    });

    const table = await sandbox.run(["cluster", "nodes"]);
    const [head, ...rows] = lines(table.stdout);
    expect(head).toBe("NODE | ROLE | SLOTS | QUEUES | STARTED");
    expect(rows[0]).toMatch(/^a \| leader \| +3 \| mail, pdf \| .* ago$|^a \| leader \| 3 \| mail, pdf \| .* ago$/);
    expect(lines((await sandbox.run(["cluster", "plan"])).stdout)).toEqual([
      "NODE | mail | pdf",
      "a | 2 | 1",
      "b | 1 | 0",
    ]);
    expect((await sandbox.run(["cluster", "leader"])).stdout).toMatch(/^a, term \d+\n$/);
  });

  test("who looks is no node, and leaves nothing", async () => {
    const sandbox = new Sandbox();
    const cluster = await started(sandbox, "a");
    const seen: string[] = [];
    cluster.on("joined", ({ node }) => seen.push(node.id));
    for (let n = 0; n < 3; n += 1) expect(await sandbox.data(["cluster", "nodes"])).toHaveLength(1);
    expect((await cluster.nodes()).map(({ id }) => id)).toEqual(["a"]);
    expect(seen.filter((id) => id !== "a")).toEqual([]);
  });

  test("locks: who holds, and who waits in which order", async () => {
    const sandbox = new Sandbox();
    const [a, b] = [await started(sandbox, "a"), await started(sandbox, "b")];
    const held = await a.lock("nightly/report ü");
    const waiting = b.lock("nightly/report ü");
    const found = await until<readonly Readonly<{ waiting: readonly string[] }>[]>(
      () => sandbox.data(["cluster", "locks"]),
      ([first]) => first?.waiting.length === 1,
    );
    expect(found).toEqual([{ name: "nightly/report ü", holder: "a", token: String(held.token), waiting: ["b"] }]);
    expect(lines((await sandbox.run(["cluster", "locks"])).stdout)).toEqual([
      "LOCK | HOLDER | TOKEN | WAITING",
      `nightly/report ü | a | ${held.token} | 1: b`,
    ]);
    await held.release();
    await (await waiting).release();
    expect(await sandbox.data(["cluster", "locks"])).toEqual([]);
  });

  test("broadcast reaches those who subscribed", async () => {
    const sandbox = new Sandbox();
    const cluster = await started(sandbox, "a");
    const heard: unknown[] = [];
    await cluster.subscribe("prices", ({ from, data }) => heard.push([from.replace(/^cli-.*-\d+$/, "cli"), data]));
    const { number } = (await sandbox.data(["cluster", "broadcast", "prices", '{"changed":7}'])) as { number: string };
    expect(number).toMatch(/^\d+$/);
    expect((await sandbox.run(["cluster", "broadcast", "prices"])).stdout).toMatch(/^\d+\n$/);
    await until(
      () => Promise.resolve(heard),
      () => heard.length === 2,
    );
    expect(heard).toEqual([
      ["cli", { changed: 7 }],
      ["cli", null],
    ]);
    const bad = await sandbox.run(["cluster", "broadcast", "prices", "text", "--json"]);
    expect([bad.code, errorOf(bad)["code"]]).toEqual([2, "INPUT_INVALID"]);
  });

  test("clusters of one store are told apart by their names", async () => {
    const sandbox = new Sandbox();
    await started(sandbox, "a", "other");
    expect(await sandbox.data(["cluster", "nodes"])).toEqual([]);
    expect(await sandbox.data(["cluster", "nodes", "--cluster-name", "other"])).toHaveLength(1);
    const byEnvironment = await sandbox.run(["cluster", "nodes"], "", { JOBFERRY_CLUSTER: "other" });
    expect(lines(byEnvironment.stdout)).toHaveLength(2);
  });

  test("what the environment says of queues does not matter", async () => {
    const sandbox = new Sandbox();
    await sandbox.data(["push", "x"]);
    const environment = { JOBFERRY_RECORDS: "sqlite:failed.db", JOBFERRY_PARTITIONS: "3" };
    expect((await sandbox.run(["cluster", "nodes"], "", environment)).code).toBe(0);
  });

  test("nothing there is said, and has an exit code", async () => {
    const sandbox = new Sandbox();
    await sandbox.data(["push", "x"]);
    const nodes = await sandbox.run(["cluster", "nodes"]);
    expect([nodes.code, nodes.stderr]).toEqual([0, "No node lives in this cluster.\n"]);
    for (const what of ["leader", "plan"]) {
      const result = await sandbox.run(["cluster", what, "--json"]);
      expect([result.code, errorOf(result)["code"], result.stdout], what).toEqual([4, "NOT_FOUND", ""]);
    }
  });

  test.each([
    [["cluster", "nodes", "--url", "memory:"], /inside one process/],
    [["cluster", "nodes", "--url", "amqp://app:secret@127.0.0.1/x"], /RabbitMQ cannot carry a cluster/],
    [["cluster", "nodes", "--cluster-name", ""], /name/],
    [["cluster", "nodes", "--url", "sqlite:nowhere.db"], /There is no database at nowhere\.db/],
    [["stats", "--url", "sqlite:///nowhere/jobs.db"], /There is no database at/],
    [["stats", "--url", "sqlite://nowhere.db"], /Write sqlite:\.\/jobs\.db/],
    [["cluster", "nodes", "--records", "sqlite:failed.db"], /--records is an option of queues/],
    [["cluster", "leader", "--partitions", "3"], /--partitions is an option of queues/],
    [["cluster", "broadcast"], /missing required argument 'topic'/],
    [["cluster", "nods"], /unknown command 'nods' \(Did you mean nodes\?\)/],
    [["cluster", "status"], /unknown command 'status'; there are nodes, leader, locks, plan, broadcast\. See/],
  ])("%j is refused with 2", async (args, message) => {
    const sandbox = new Sandbox();
    const result = await sandbox.run(args);
    expect(result.code, result.stderr).toBe(2);
    expect(result.stderr).toMatch(message);
    expect(result.stderr).not.toContain("secret");
    expect(existsSync(join(sandbox.directory, "nowhere.db"))).toBe(false);
  });

  test("has help for each command, and for itself", async () => {
    const sandbox = new Sandbox();
    const { stdout, code } = await sandbox.run(["cluster", "--help"]);
    expect(code).toBe(0);
    for (const name of ["nodes", "leader", "locks", "plan", "broadcast"]) expect(stdout).toContain(`  ${name} `);
    expect((await sandbox.run(["cluster", "broadcast", "--help"])).stdout).toContain("--cluster-name");
  });
});

// Nodes in processes of their own share a SQLite file: jobs, leadership and the plan. One leader is killed, one leaves.
import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { afterEach, expect, test } from "vitest";
import { createJob, type DistributedStats } from "../../../src/entry/index.ts";
import { sqliteQueue } from "../../../src/entry/sqlite.ts";

const CONCURRENCY = 4;
const HANDLER_MS = 5;
/** The longest that a commit of ends is taken to last here. */
const COMMIT_MS = 50;
/** What runs, and what ended while one batch of ends was being stored and while the next one gathered: 0 to 7 were seen. */
const MOST_IN_HAND = CONCURRENCY + 2 * CONCURRENCY * (COMMIT_MS / HANDLER_MS);

const FILE = fileURLToPath(new URL("actor.ts", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "jobferry-distributed-"));
const path = join(folder, "jobs.db");
const children = new Map<string, ChildProcess>();
const stats = new Map<string, DistributedStats>();

async function start(nodeId: string): Promise<void> {
  const child = fork(FILE, [path, nodeId], { execArgv: ["--disable-warning=ExperimentalWarning"] });
  children.set(nodeId, child);
  child.on("message", (message: { kind: string; stats: DistributedStats }) => {
    if (message.kind === "stats") stats.set(nodeId, message.stats);
  });
  await once(child, "message");
}

async function until(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (const end = Date.now() + 20_000; !(await holds()); await new Promise((resolve) => setTimeout(resolve, 20)))
    if (Date.now() > end) throw new Error(`not in time: ${what}; ${JSON.stringify([...stats.values()])}`);
}

function ran(): readonly { job: number; node: string }[] {
  const ledger = new DatabaseSync(`${path}.ledger`);
  const rows = ledger.prepare("SELECT job, node FROM ran").all() as { job: number; node: string }[];
  ledger.close();
  return rows;
}

async function leaderIs(nodeId: string, asked: readonly string[]): Promise<void> {
  await until(() => {
    for (const one of asked) children.get(one)?.send("stats", () => undefined);
    return asked.every((one) => stats.get(one)?.leaderId === nodeId && stats.get(one)?.isLeader === (one === nodeId));
  }, `${nodeId} leads for all`);
}

afterEach(async () => {
  for (const child of children.values()) {
    const isOver = child.exitCode !== null || child.signalCode !== null;
    child.kill("SIGKILL");
    if (!isOver) await once(child, "exit");
  }
  rmSync(folder, { recursive: true, force: true });
});

test("three nodes run the jobs of two queues; one leader is killed, one leaves, and no job is lost", async () => {
  const queue = sqliteQueue(path);
  for (const nodeId of ["a", "b", "c"]) await start(nodeId);
  await leaderIs("a", ["a", "b", "c"]);
  const push = async (from: number, to: number): Promise<void> => {
    const jobs = Array.from({ length: to - from }, (_, n) =>
      createJob(from + n, { queue: n % 2 === 0 ? "even" : "odd" }),
    );
    await queue.pushBatch(jobs);
  };
  await push(0, 600);
  await until(() => ran().length > 100, "the nodes work");
  children.get("a")?.kill("SIGKILL");
  await push(600, 900);
  await leaderIs("b", ["b", "c"]);
  expect(stats.get("c")?.onlineNodes).toBe(2);
  children.get("b")?.send("stop", () => undefined);
  await once(children.get("b")!, "exit");
  await leaderIs("c", ["c"]);
  await push(900, 1_000);
  await until(async () => (await queue.getStats()).completedJobs === 1_000, "every job is done");
  const rows = ran();
  expect(new Set(rows.map(({ job }) => job)).size).toBe(1_000);
  expect(new Set(rows.map(({ node }) => node))).toEqual(new Set(["a", "b", "c"]));
  // Again, and once, ran only what the killed node had in hand.
  const first = new Map<number, string>();
  const again = rows.filter(({ job, node }) => first.has(job) || !first.set(job, node));
  expect(again.filter(({ job, node }) => first.get(job) !== "a" || node === "a")).toEqual([]);
  expect(new Set(again.map(({ job }) => job)).size).toBe(again.length);
  expect(again.length).toBeLessThanOrEqual(MOST_IN_HAND);
  const { failedJobs, reservedJobs, pendingJobs } = await queue.getStats();
  expect([failedJobs, reservedJobs, pendingJobs]).toEqual([0, 0, 0]);
  // Alone, the last one serves both.
  await until(() => {
    children.get("c")?.send("stats", () => undefined);
    return (
      Object.keys(stats.get("c")?.plannedSlots ?? {})
        .toSorted()
        .join() === "even,odd"
    );
  }, "the last leader plans for itself");
  await queue.close();
});

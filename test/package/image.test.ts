/** What deploy/Dockerfile runs: the demo's node beside the installed package alone, by the Dockerfile's own CMD, described by its environment. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Installed, installPackage } from "./installed.ts";

const REPOSITORY = fileURLToPath(new URL("../..", import.meta.url));

let installed: Installed;
const children: ChildProcess[] = [];

beforeAll(async () => {
  installed = await installPackage();
  cpSync(join(REPOSITORY, "demo/distributed"), join(installed.project, "demo/distributed"), { recursive: true });
}, 120_000);
afterAll(() => {
  for (const child of children) child.kill("SIGKILL");
  rmSync(installed.folder, { recursive: true, force: true });
});

/** The program and arguments of CMD. */
function command(): readonly string[] {
  const [, json = "[]"] = /^CMD (\[.*\])$/m.exec(readFileSync(join(REPOSITORY, "deploy/Dockerfile"), "utf8")) ?? [];
  return JSON.parse(json) as readonly string[];
}

function node(nodeId: string): Readonly<{ child: ChildProcess; said: () => string }> {
  const [program = "", ...args] = command();
  expect(program).toBe("node");
  const env = { PATH: process.env["PATH"], CLUSTER_TYPE: "sqlite", NODE_ID: nodeId, ELECTION_TIMEOUT: "10s" };
  const settings = { SQLITE_PATH: "./jobs.db", WORKER_COUNT: "2", WORK_MS: "1", PUSH_PER_SECOND: "50" };
  const child = spawn(process.execPath, args, { cwd: installed.project, env: { ...env, ...settings } });
  children.push(child);
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (said += chunk.toString()));
  return { child, said: () => said };
}

test("two nodes join, one leads, both run jobs, and SIGTERM ends each in good order", async () => {
  const nodes = [node("a"), node("b")];
  for (const { said } of nodes) await expect.poll(said, { timeout: 30_000 }).toMatch(/joined the sqlite cluster/);
  for (const { said } of nodes)
    await expect.poll(said, { timeout: 30_000 }).toMatch(/(leader|node): \d of 2 slots active, [1-9]\d* done; 2 nodes/);
  expect(nodes.filter(({ said }) => said().includes("leads now"))).toHaveLength(1);
  for (const { child, said } of nodes) {
    const ended = once(child, "exit");
    child.kill("SIGTERM");
    expect(await ended).toEqual([0, null]);
    expect(said()).toMatch(/ stopped\n$/);
  }
}, 120_000);

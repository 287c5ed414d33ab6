import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createJob, createQueue } from "jobferry";
import { signalAll } from "../../scripts/servers/process-tree.ts";
import { isServerAvailable, sharedServer } from "../servers/shared-server.ts";
import { makeDatabase } from "../postgres/database.ts";
import { FILES, heldByKilled, makeTree, tableOf, UNREADABLE } from "./demo-tree.ts";
import { runFile, type Run } from "./run-example.ts";

const SERVERS = ["redis", "postgres", "rabbitmq"] as const;
const PATIENCE = { timeout: 20_000, interval: 50 };
const SLOW = 120_000;
const DEMO = fileURLToPath(new URL("../../demo/main.ts", import.meta.url));

/** The demo's files, and its folder for temporary ones, in which its servers have their working folders. */
let [files, temporary] = ["", ""];
beforeEach(async () => {
  const folder = mkdtempSync(join(tmpdir(), "jobferry-demo-servers-"));
  chmodSync(folder, 0o711); // PostgreSQL runs as another user when root starts it
  [files, temporary] = [join(folder, "files"), join(folder, "temporary")];
  await mkdir(files);
  await mkdir(temporary, { mode: 0o711 });
  await makeTree(files);
});
afterEach(() => {
  signalAll(processesInside(), "SIGKILL");
  rmSync(join(files, ".."), { recursive: true, force: true });
});

describe.each(SERVERS)("demo on %s", async (name) => {
  const isAvailable = await isServerAvailable(name);

  it.runIf(isAvailable)(
    "starts a server for itself, proves the totals, leaves nothing",
    { timeout: SLOW },
    async () => {
      const run = await demo("--server", name);
      expectProof(run);
      expect(run.stdout).toMatch(
        new RegExp(`^The queue is ${name} [\\d.]+, started for this run; .* survives: \\w+\\.$`, "m"),
      );
      expectNothing();
    },
  );

  it.runIf(isAvailable)(
    "runs on a server of the user's, twice, and takes its jobs along",
    { timeout: SLOW },
    async () => {
      const server = await sharedServer(name);
      if (server === undefined) return;
      const database = name === "postgres" ? await makeDatabase(server, "demo") : undefined;
      const url = database?.url ?? server.url;
      for (let run = 1; run <= 2; run += 1) expectProof(await demo("--url", url));
      const queue = await createQueue(url);
      const { pendingJobs, delayedJobs, failedJobs } = await queue.getStats("jobferry-demo");
      expect([pendingJobs, delayedJobs, failedJobs]).toEqual([0, 0, 0]);

      await queue.push(createJob({ path: "/of/another/demo" }, { queue: "jobferry-demo" }));
      const refused = await demo("--url", url);
      expect(refused).toMatchObject({ code: 2, stdout: "" });
      expect(refused.stderr).toMatch(/^error: .*jobferry clear jobferry-demo/m);
      expect(await queue.clear("jobferry-demo")).toBe(1);
      await queue.close();
      await database?.drop();
    },
  );
});

/** Working folders are looked up where only Linux shows them. */
describe.runIf((await isServerAvailable("postgres")) && process.platform === "linux")("demo that is stopped", () => {
  it.each(["The queue is", "jobs pushed"])("by Ctrl-C after it said %j", { timeout: SLOW }, async (words) => {
    const { child, said, ended } = launch("--server", "postgres");
    await said(words);
    ctrlC(child);
    expect(await ended).toBe(130);
    expectNothing();
  });

  it.each([300, 600, 900])("by Ctrl-C after %i ms, while its server starts", { timeout: SLOW }, async (wait) => {
    const { child, ended } = launch("--server", "postgres");
    await new Promise((resolve) => setTimeout(resolve, wait));
    ctrlC(child);
    await ended; // before it listens for signals Node ends it
    await expect.poll(() => processesInside(), PATIENCE).toEqual([]);
    await expect.poll(() => serverFolders(), PATIENCE).toEqual([]);
  });

  it("by SIGKILL leaves no server", { timeout: SLOW }, async () => {
    const { child, said } = launch("--server", "postgres");
    await said("jobs pushed");
    child.kill("SIGKILL");
    await expect.poll(() => processesInside(), PATIENCE).toEqual([]);
    await expect.poll(() => serverFolders(), PATIENCE).toEqual([]);
  });
});

it("a server that cannot be reached, and one that there is none of: one line, exit code 2", async () => {
  const away = await demo("--url", "redis://ann:hunter22@127.0.0.1:1");
  expect(away).toMatchObject({ code: 2, stdout: "" });
  expect(away.stderr).toMatch(/^error: .*127\.0\.0\.1:1.* \(UNAVAILABLE\)\n$/);
  expect(away.stderr).not.toContain("hunter22");
  const unknown = await demo("--server", "oracle");
  expect(unknown.code).toBe(1);
  expect(unknown.stderr).toContain("Allowed choices are redis, postgres, rabbitmq");
});

function demo(...options: readonly string[]): Promise<Run> {
  return runFile("demo/main.ts", files, [files, ...options], { TMPDIR: temporary });
}

function expectProof({ code, stdout, stderr }: Run): void {
  expect(code, stdout + stderr).toBe(0);
  const held = heldByKilled(stdout);
  expect(tableOf(stdout), stdout).toMatchObject({
    ...{ files: FILES + UNREADABLE, completed: FILES, failed: UNREADABLE, lost: 0 },
    // All that the killed process held came back; those of unreadable files then failed.
    redelivered: expect.toSatisfy((jobs: number) => jobs <= held && jobs >= held - UNREADABLE),
  });
  expect(stdout).toMatch(/Killed process \d+ with SIGKILL/);
  expect(stdout).toContain(`${FILES} hashes are right, ${UNREADABLE} unreadable files failed.`);
  expect(stdout).toContain("Everything agrees.");
}

function expectNothing(): void {
  expect(readdirSync(temporary)).toEqual([]);
  if (process.platform === "linux") expect(processesInside()).toEqual([]);
}

function serverFolders(): readonly string[] {
  return readdirSync(temporary).filter((name) => name.startsWith("jobferry-servers-"));
}

/** With a process group of its own, as a shell starts it. */
function launch(...options: readonly string[]): Readonly<{
  child: ChildProcess;
  said: (words: string) => Promise<void>;
  ended: Promise<number | null>;
}> {
  const child = spawn(process.execPath, [DEMO, files, ...options], {
    detached: true,
    env: { ...process.env, TMPDIR: temporary },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let stdout = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  const ended = new Promise<number | null>((resolve) => child.on("exit", resolve));
  const said = async (words: string): Promise<void> => {
    await expect.poll(() => stdout, PATIENCE).toContain(words);
  };
  return { child, said, ended };
}

/** A terminal sends it to all processes in the foreground. */
function ctrlC({ pid }: ChildProcess): void {
  if (pid !== undefined) process.kill(-pid, "SIGINT");
}

function processesInside(): readonly number[] {
  return readdirSync("/proc").flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      return readlinkSync(`/proc/${name}/cwd`).startsWith(temporary) ? [Number(name)] : [];
    } catch {
      return []; // it has ended, or is a zombie
    }
  });
}

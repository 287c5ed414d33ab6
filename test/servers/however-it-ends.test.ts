/** No process and no folder stays, whoever is killed. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ROOT_PREFIX } from "../../scripts/servers/leftovers.ts";
import { hasStopped, isRunning, processTree, signalAll } from "../../scripts/servers/process-tree.ts";
import { isServerAvailable } from "./shared-server.ts";

const SERVERS = ["redis", "postgres"] as const;
const PATIENCE = { timeout: 15_000, interval: 50 };

const areAvailable = (await Promise.all(SERVERS.map(isServerAvailable))).every(Boolean);

/** All servers, their guardian and the test files of a run have their working folder inside. */
let folder = "";
const started: ChildProcess[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "jobferry-ends-"));
  chmodSync(folder, 0o711);
});
afterEach(() => {
  for (const { pid } of started.splice(0)) if (pid !== undefined) signalAll(processTree(pid), "SIGKILL");
  signalAll(processesInside(), "SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

/** Working folders are looked up where only Linux shows them. */
describe.runIf(areAvailable && process.platform === "linux")("nothing stays when", () => {
  it.each(["SIGKILL", "SIGTERM"] as const)("the owner gets %s", async (signal) => {
    const { owner } = await startOwner();
    owner.kill(signal);
    await expectNothing();
    expect(existsSync(join(folder, "ended"))).toBe(true);
  });

  it("the owner is killed while its servers are paused", async () => {
    const { owner, guardian } = await startOwner();
    const servers = processesInside().filter((pid) => pid !== guardian);
    signalAll(servers, "SIGSTOP");
    owner.kill("SIGKILL");
    await expectNothing();
  });

  it.each([40, 80, 120, 160, 240])("the owner is killed after %i ms, while it starts them", async (wait) => {
    const owner = launch(["node", "test/servers/owner-process.ts", ...SERVERS]);
    await delay(wait);
    owner.kill("SIGKILL");
    // What had not begun yet would show up now.
    await delay(300);
    await expectNothing();
  });

  it("the guardian is killed", async () => {
    const { owner, guardian } = await startOwner();
    process.kill(guardian, "SIGKILL");
    await expectNothing();
    expect(owner.exitCode).toBe(null);
  });

  it("owner and guardian are killed at once, and another guardian starts", async () => {
    const { owner, guardian } = await startOwner();
    const both = [guardian, owner.pid ?? guardian];
    // One that runs on between the two kills would see the other's end, and end the servers itself.
    signalAll(both, "SIGSTOP");
    await expect.poll(() => both.every(hasStopped), PATIENCE).toBe(true);
    signalAll(both, "SIGKILL");
    await expect.poll(() => isRunning(guardian), PATIENCE).toBe(false);
    expect(processesInside().length).toBeGreaterThan(0);
    const next = await startOwner("redis");
    await expect.poll(() => serverFolders().length, PATIENCE).toBe(1);
    next.owner.kill("SIGKILL");
    await expectNothing();
  });

  it("the test runner is killed", async () => {
    const runner = launch(["vitest", "run", "--config", "test/servers/hanging-run/vitest.config.ts"]);
    // A whole run without a compile cache, and two servers.
    await expect.poll(() => existsSync(join(folder, "started")), { timeout: 60_000, interval: 50 }).toBe(true);
    rmSync(join(folder, "started"));
    expect(processesInside().length).toBeGreaterThan(3);
    runner.kill("SIGKILL");
    await expectNothing();
  });

  it("the command line gets Ctrl-C", async () => {
    const { process: shell, firstLine } = await startCommandLine();
    expect(JSON.parse(firstLine)).toMatchObject([{ kind: "redis" }, { kind: "postgres" }]);
    // A terminal sends it to all processes in the foreground.
    signalAll(processTree(shell.pid ?? 0), "SIGINT");
    await expectNothing();
  });

  it("the npm that runs the command line is killed", async () => {
    const { process: npm } = await startCommandLine();
    npm.kill("SIGKILL");
    await expectNothing();
  });
});

async function startOwner(...names: readonly string[]): Promise<{ owner: ChildProcess; guardian: number }> {
  const owner = launch(["node", "test/servers/owner-process.ts", ...(names.length === 0 ? SERVERS : names)]);
  return { owner, guardian: Number(await firstLineOf(owner)) };
}

async function startCommandLine(): Promise<{ process: ChildProcess; firstLine: string }> {
  const npm = launch(["npm", "run", "-s", "servers", "--", "up", "--json", ...SERVERS]);
  return { process: npm, firstLine: await firstLineOf(npm) };
}

function launch([command = "", ...args]: readonly string[]): ChildProcess {
  const { JOBFERRY_SERVERS: _, ...rest } = process.env;
  const env = {
    ...rest,
    TMPDIR: folder,
    NODE_DISABLE_COMPILE_CACHE: "1",
    NODE_OPTIONS: "--disable-warning=ExperimentalWarning",
  };
  const child = spawn(command, args, { env, stdio: ["ignore", "pipe", "inherit"] });
  started.push(child);
  return child;
}

async function firstLineOf({ stdout }: ChildProcess): Promise<string> {
  if (!stdout) throw new Error("no output to read");
  for await (const chunk of stdout.iterator({ destroyOnReturn: false })) return String(chunk);
  throw new Error("it ended without a word");
}

async function expectNothing(): Promise<void> {
  await expect.poll(processesInside, PATIENCE).toEqual([]);
  await expect.poll(serverFolders, PATIENCE).toEqual([]);
}

function serverFolders(): readonly string[] {
  return readdirSync(folder).filter((name) => name.startsWith(ROOT_PREFIX));
}

function processesInside(): readonly number[] {
  return readdirSync("/proc").flatMap((name) => {
    try {
      return readlinkSync(`/proc/${name}/cwd`).startsWith(folder) ? [Number(name)] : [];
    } catch {
      return [];
    }
  });
}

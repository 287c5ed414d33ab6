import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, it } from "vitest";
import { eventually, isAlive, startsIn } from "./stage.ts";
import { startStopwatch } from "../../stalls/stopwatch.ts";

const PARENT = fileURLToPath(new URL("./modules/parent.ts", import.meta.url));
let directory = "";
let parent: ChildProcess | undefined;
let output = "";

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "jobferry-parent-"));
  output = "";
});
afterEach(() => {
  parent?.kill("SIGKILL");
  rmSync(directory, { recursive: true });
});

/** Its own process group, as a shell gives a command. */
async function startParent(job: string, ms: number): Promise<readonly number[]> {
  const log = join(directory, "starts");
  parent = spawn(process.execPath, [PARENT, log, job, String(ms)], {
    detached: true,
    stdio: ["ignore", "pipe", "inherit"],
  });
  parent.stdout?.setEncoding("utf8").on("data", (text: string) => (output += text));
  const starts = await eventually(() => startsIn(log).length === 2 && startsIn(log));
  return starts.map(({ pid }) => pid);
}

it.each([
  ["that block their event loop", "block"],
  ["that are idle", "await"],
])("children %s end when their parent is killed", async (_how, job) => {
  const pids = await startParent(job, 60_000);
  expect(new Set(pids).size).toBe(2);
  expect(pids.every(isAlive)).toBe(true);
  const took = await startStopwatch();
  parent?.kill("SIGKILL");
  await eventually(() => !pids.some(isAlive));
  expect(await took()).toBeLessThan(2_000);
});

it("a Ctrl-C reaches the whole group: the parent decides, and its children finish their jobs", async () => {
  const pids = await startParent("await", 500);
  process.kill(-parent!.pid!, "SIGINT");
  const [code] = (await once(parent!, "close")) as [number];
  expect(output.split("\n").toSorted()).toEqual(["", "completed a", "completed b", "stopping"]);
  expect(code).toBe(0);
  expect(pids.some(isAlive)).toBe(false);
});

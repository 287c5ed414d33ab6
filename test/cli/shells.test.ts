import { execFileSync } from "node:child_process";
import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { memoryQueue } from "jobferry";
import { runCli } from "../../src/cli/program.ts";
import { Terminal } from "../../src/cli/terminal.ts";
import { ratesBetween } from "../../src/cli/top/rates.ts";
import { Screen } from "../../src/cli/top/screen.ts";
import { errorOf, Sandbox } from "./run-cli.ts";

function streams() {
  const stdin = Object.assign(new PassThrough(), { isTTY: true });
  return { stdin, stdout: new PassThrough(), stderr: new PassThrough() };
}

async function script(shell: string): Promise<string> {
  const all = streams();
  expect(await runCli(["completion", shell], all)).toBe(0);
  return String(all.stdout.read());
}

test("bash completes commands and the options of the command", async () => {
  const source = await script("bash");
  const complete = (words: string): readonly string[] => {
    const ask = `${source}\nCOMP_WORDS=(jobferry ${words}); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); _jobferry; echo "\${COMPREPLY[@]}"`;
    return execFileSync("bash", ["-c", ask], { encoding: "utf8" }).trim().split(" ");
  };
  expect(complete("pa")).toEqual(["pause"]);
  expect(complete("push --fi")).toEqual(["--file"]);
  expect(complete("push --max-")).toEqual(["--max-attempts"]);
  expect(complete("work --att")).toEqual(["--attempts"]);
  expect(complete("--url x work --stop-")).toEqual(["--stop-when-empty", "--stop-timeout"]);
});

test("every shell knows every command", async () => {
  const commands = ["push", "work", "stats", "jobs", "failed", "retry", "forget", "flush", "clear", "pause", "resume"];
  for (const shell of ["bash", "zsh", "fish"]) {
    const source = await script(shell);
    for (const command of [...commands, "top", "bench", "doctor", "completion"]) expect(source).toContain(command);
  }
  expect(await runCli(["completion", "tcsh"], streams())).toBe(2);
});

test("top without a terminal: refused, 2; with --json a line for each look", async () => {
  const sandbox = new Sandbox();
  await sandbox.data(["push", "x"]);
  const refused = await sandbox.run(["top"]);
  expect(refused).toMatchObject({ code: 2, stdout: "" });
  expect(refused.stderr).toContain("--json");
  const { code, stdout } = await sandbox.run(["top", "--json", "--count", "2", "--interval", "100ms"]);
  expect(code).toBe(0);
  const frames = stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as unknown);
  expect(frames).toHaveLength(2);
  expect(frames[1]).toMatchObject({
    version: 1,
    data: { queues: [{ queue: "default", pendingJobs: 1, completedPerSecond: 0 }] },
  });
  expect(errorOf(await sandbox.run(["top", "--json", "--interval", "1ms"]))["code"]).toBe("INVALID_ARGUMENT");
});

test("rates are what came to rest a second; a removed failed job is none", async () => {
  await using queue = memoryQueue();
  const stats = await queue.getStats();
  const sample = (atMs: number, completedJobs: number, failedJobs: number) => ({
    atMs,
    queues: [{ queue: "q", stats: { ...stats, completedJobs, failedJobs } }],
  });
  const first = sample(0, 10, 5);
  expect(ratesBetween(undefined, first).get("q")?.completedPerSecond).toBeNaN();
  expect(ratesBetween(first, sample(2_000, 30, 4)).get("q")).toEqual({ completedPerSecond: 10, failedPerSecond: 0 });
});

test("the screen scrolls below its head, quits by key and gives the terminal back", () => {
  const all = streams();
  Object.assign(all.stdout, { rows: 4 });
  let quits = 0;
  const screen = new Screen(new Terminal(all), () => (quits += 1));
  const drawn = (): string => String(all.stdout.read() ?? "");
  screen.show("HEAD\none\ntwo\nthree");
  expect(drawn()).toMatch(/^\S*\[\?1049h.*HEAD.*\r\none.*\r\ntwo/);
  all.stdin.emit("data", "j");
  expect(drawn()).toMatch(/HEAD.*\r\ntwo.*\r\nthree/);
  for (const key of ["j", "k", "k"]) all.stdin.emit("data", key);
  expect(drawn()).toMatch(/HEAD.*\r\none.*\r\ntwo[^]*$/);
  for (const key of ["q", "\u0003"]) all.stdin.emit("data", key);
  expect(quits).toBe(2);
  screen.close();
  expect(drawn()).toContain("[?1049l");
  all.stdin.emit("data", "q");
  expect(quits).toBe(2);
});

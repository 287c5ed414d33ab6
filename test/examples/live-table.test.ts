import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { endOf } from "./distributed-run.ts";
import { inEmptyFolder } from "./run-example.ts";
import { Terminal } from "./terminal.ts";

const MAIN = fileURLToPath(new URL("../../demo/distributed/main.ts", import.meta.url));

/** util-linux's: others take other arguments. */
const hasTerminals = (): boolean => /util-linux/.test(spawnSync("script", ["--version"], { encoding: "utf8" }).stdout);

function inTerminal(folder: string, args: string): Readonly<{ child: ChildProcess; output: () => string }> {
  const command = `'${process.execPath}' --disable-warning=ExperimentalWarning '${MAIN}' ${args}`;
  const child = spawn("script", ["-qec", command, "/dev/null"], {
    cwd: folder,
    env: { ...process.env, TMPDIR: folder, TERM: "xterm", NO_COLOR: undefined, FORCE_COLOR: undefined },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
  return { child, output: () => output };
}

type Row = Readonly<{ node: string; role: string; slots: number; active: number; done: number }>;

function rowsOf(lines: readonly string[]): readonly Row[] {
  return lines.flatMap((line) => {
    const [, node, role, slots, active, done] = /^│ (node-\d) +│ (\w+) +│ +(\d+) │ +(\d+) │ +(\d+) │$/.exec(line) ?? [];
    if (node === undefined || role === undefined) return [];
    return [{ node, role, slots: Number(slots), active: Number(active), done: Number(done) }];
  });
}

const leaderIn = (rows: readonly Row[]): string | undefined => rows.find(({ role }) => role === "leader")?.node;

it("the distributed demo draws one table in its place, in a terminal", async ({ skip }) => {
  if (!hasTerminals()) skip("there is no program `script` of util-linux, which makes a terminal");
  await inEmptyFolder(async (folder) => {
    const { child, output } = inTerminal(folder, "--cluster sqlite --nodes 3 --jobs 600");
    expect(await endOf(child), output()).toBe(0);
    const terminal = new Terminal();
    terminal.write(output());
    const pictures = terminal.pictures.map(rowsOf);
    const end = terminal.lines;
    expect(pictures.length).toBeGreaterThan(5);
    // Never two tables below each other.
    for (const rows of pictures) expect(new Set(rows.map(({ node }) => node)).size).toBe(rows.length);
    const whole = pictures.filter((rows) => rows.length === 3);
    expect(whole.flat().every(({ slots }) => slots === 4)).toBe(true);
    expect(whole.flat().some(({ active }) => active > 0)).toBe(true);
    const leaders = new Set(whole.flatMap((rows) => leaderIn(rows) ?? []));
    expect(leaders.size, "one is killed, another one comes").toBe(2);
    const [before, after] = leaders;
    expect(rowsOf(end).find(({ node }) => node === before)).toMatchObject({ role: "killed", active: 0 });
    const done = rowsOf(end).reduce((sum, row) => sum + row.done, 0);
    expect(done).toBe(600);
    const text = end.join("\n");
    expect(text).toMatch(/│ node +│ role +│ slots │ active │ done │/);
    expect(text).toMatch(/│ all +│ of 600 jobs │ +│ +│ +600 │/);
    expect(text).toMatch(new RegExp(`Killed ${before} .*\\n${after} leads \\d+ ms later`));
    expect(text).toContain("600 jobs pushed, 600 completed, each once and with the right result; 0 lost.");
    expect(readdirSync(folder)).toEqual([]);
  });
});

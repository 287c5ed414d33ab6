import { type ChildProcessByStdio, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, type Readable, type Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import { runCli } from "../../src/cli/program.ts";

const main = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
/** Types are stripped once and not at every start: 0.15 s of CPU time a run instead of 0.55 s. */
export const compiled: string = fileURLToPath(new URL("../../node_modules/.cache/cli-tests", import.meta.url));

const STORE_OPTIONS = [
  ["--url", "JOBFERRY_URL"],
  ["--records", "JOBFERRY_RECORDS"],
  ["--prefix", "JOBFERRY_PREFIX"],
] as const;

export type Ended = Readonly<{ code: number | null; signal: NodeJS.Signals | null; stdout: string; stderr: string }>;
export type Started = Readonly<{
  child: ChildProcessByStdio<Writable, Readable, Readable>;
  ended: Promise<Ended>;
  /** Resolves when stderr has this text. */
  says: (text: string) => Promise<void>;
}>;

/** A directory of the test's own, and a SQLite file in it unless `env` names another store. */
export class Sandbox {
  readonly directory: string = mkdtempSync(join(tmpdir(), "jobferry-cli-"));
  readonly database: string = join(this.directory, "jobs.db");
  env: Readonly<Record<string, string>>;

  constructor(env?: Readonly<Record<string, string>>) {
    this.env = env ?? { JOBFERRY_URL: `sqlite:${this.database}` };
    onTestFinished(() => rmSync(this.directory, { recursive: true, force: true }));
  }

  start(args: readonly string[], env: Readonly<Record<string, string>> = {}): Started {
    const child = spawn(process.execPath, [main, ...args], {
      cwd: this.directory,
      env: { PATH: process.env["PATH"] ?? "", HOME: this.directory, NODE_COMPILE_CACHE: compiled, ...this.env, ...env },
      stdio: ["pipe", "pipe", "pipe"],
    });
    onTestFinished(() => void child.kill("SIGKILL"));
    let stdout = "";
    let stderr = "";
    const waiting = new Map<string, () => void>();
    child.stdin.on("error", () => undefined); // it may end before it has read everything
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
      for (const [wanted, resolve] of waiting) if (stderr.includes(wanted)) resolve();
    });
    const ended = new Promise<Ended>((resolve) =>
      child.on("close", (code, signal) => resolve({ code, signal, stdout, stderr })),
    );
    const says = (text: string): Promise<void> => {
      const said = new Promise<void>((resolve) => waiting.set(text, resolve));
      if (stderr.includes(text)) waiting.get(text)?.();
      const over = ended.then(({ stderr: all }) => Promise.reject(new Error(`ended without "${text}": ${all}`)));
      over.catch(() => undefined);
      return Promise.race([said, stderr.includes(text) ? said : over]);
    };
    return { child, ended, says };
  }

  /** Runs to the end, with `input` on stdin. */
  async run(args: readonly string[], input = "", env: Readonly<Record<string, string>> = {}): Promise<Ended> {
    const { child, ended } = this.start(args, env);
    child.stdin.end(input);
    return ended;
  }

  /** With --json, inside this process, which saves the start of another. */
  async inside(args: readonly string[], input = ""): Promise<Ended> {
    const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
    stdin.end(input);
    const store = STORE_OPTIONS.flatMap(([option, name]) => {
      const value = this.env[name];
      return value === undefined ? [] : [option, value];
    });
    const code = await runCli([...args, "--json", ...store], { stdin, stdout, stderr });
    return { code, signal: null, stdout: String(stdout.read() ?? ""), stderr: String(stderr.read() ?? "") };
  }

  /** The `data` of such a run, which must end with 0. */
  async data(args: readonly string[], input = ""): Promise<never> {
    return dataOf(await this.inside(args, input)) as never;
  }
}

/** The `data` of a process that must have ended with 0. */
export function dataOf({ code, stdout, stderr }: Ended): unknown {
  if (code !== 0) throw new Error(`exit ${code}: ${stderr}`);
  return (JSON.parse(stdout) as { data: unknown }).data;
}

/** The error object of the last line of stderr. */
export function errorOf({ stderr }: Ended): Record<string, unknown> {
  const last = stderr.trimEnd().split("\n").at(-1) ?? "";
  return (JSON.parse(last) as { error: Record<string, unknown> }).error;
}

import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { guardian } from "./guarded.ts";
import type { Launch } from "./guardian-messages.ts";

const TAIL = 1_500;

/** Runs a program to its end and resolves to what it wrote; rejects with the end of its output when it fails. */
export function runProgram(
  command: string,
  args: readonly string[],
  { env = {}, cwd }: Readonly<{ env?: Readonly<Record<string, string>>; cwd?: string }> = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    // Where a user's PATH has no programs of the system.
    const path = `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin`;
    const all = { ...process.env, PATH: path, ...env };
    const child = spawn(command, args, { env: all, cwd, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    const collect = (chunk: Buffer): void => void (output += chunk.toString());
    child.stdout.on("data", collect);
    child.stderr.on("data", collect);
    child.once("error", reject);
    child.once("close", (code) => {
      if (code === 0) resolve(output);
      else reject(new Error(`${[command, ...args].join(" ")} failed:\n${output.slice(-TAIL)}`));
    });
  });
}

/** The same under the guardian: for what fills a server's folder, so that nothing writes into it when this process is killed. */
export async function runGuarded(launch: Omit<Launch, "log">): Promise<void> {
  const folder = mkdtempSync(join((await guardian()).root, "run-"));
  const log = join(folder, "log");
  const how = await (await (await guardian()).spawn({ ...launch, log })).exited;
  const output = readFileSync(log, "utf8");
  rmSync(folder, { recursive: true });
  if (how !== "exit code 0") throw new Error(`${launch.command} failed (${how}):\n${output.slice(-TAIL)}`);
}

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("../../demo/distributed/main.ts", import.meta.url));

export type DemoRun = Readonly<{ child: ChildProcess; output: () => string }>;

/** A run whose scratch folders lie in `folder`, so that what is left behind shows. */
export function startDemo(
  folder: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): DemoRun {
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", MAIN, ...args], {
    cwd: folder,
    env: { ...process.env, TMPDIR: folder, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (output += text));
  return { child, output: () => output };
}

/** The exit code. */
export async function endOf(child: ChildProcess): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) await once(child, "close");
  return child.exitCode;
}

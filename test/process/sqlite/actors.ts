import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach } from "vitest";

const FILE = fileURLToPath(new URL("actor.ts", import.meta.url));
const started = new Set<ChildProcess>();
const folders: string[] = [];

/** The path of a database in a folder of its own, removed after the test. */
export function newDatabase(): string {
  const folder = mkdtempSync(join(tmpdir(), "jobferry-sqlite-"));
  folders.push(folder);
  return join(folder, "jobs.db");
}

/** Starts a process; see actor.ts for the parts that it can play. */
export function start(part: string, path: string, argument = ""): ChildProcess {
  const child = fork(FILE, [part, path, argument], { execArgv: ["--disable-warning=ExperimentalWarning"] });
  started.add(child);
  return child;
}

/** The next message, or an error when the process ends before it. */
export async function message<T>(child: ChildProcess): Promise<T> {
  const stop = new AbortController();
  try {
    const ended = once(child, "exit", { signal: stop.signal }).then(([code]) => {
      throw new Error(`the process ended with ${code}`);
    });
    const [first] = await Promise.race([once(child, "message", { signal: stop.signal }), ended]);
    return first as T;
  } finally {
    stop.abort();
  }
}

export async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
}

afterEach(async () => {
  for (const child of started) {
    child.kill("SIGKILL");
    await ended(child);
  }
  started.clear();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** What is left when an owner and its guardian were killed at the same time, for example by the kernel for lack of memory. */
import { appendFileSync, existsSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { processTree, signalAll, startOf } from "./process-tree.ts";

export const ROOT_PREFIX = "jobferry-servers-";
const RECORD = "processes";

/** The first line of a root's record is its guardian. The start time tells a process from a later one of the same id. */
export function recordProcess(root: string, pid: number): void {
  appendFileSync(join(root, RECORD), `${pid} ${startOf(pid)} ${pidNamespace()}\n`);
}

/** Only what has a record is removed: a root whose guardian is just starting has none yet. */
export function removeLeftovers(): void {
  for (const name of readdirSync(tmpdir())) {
    if (!name.startsWith(ROOT_PREFIX)) continue;
    try {
      removeLeftover(join(tmpdir(), name));
    } catch {
      // Another guardian removes it at the same time, or it is another user's.
    }
  }
}

function removeLeftover(root: string): void {
  if (!existsSync(join(root, RECORD))) return;
  const lines = readFileSync(join(root, RECORD), "utf8").trim().split("\n");
  const [guardian, ...servers] = lines.map((line) => {
    const [pid, start, namespace] = line.split(" ");
    return { pid: Number(pid), isAlive: startOf(Number(pid)) === start, namespace };
  });
  // Of a container that shares the folder we cannot see what is alive.
  if (guardian === undefined || guardian.isAlive || guardian.namespace !== pidNamespace()) return;
  const alive = servers.filter(({ isAlive }) => isAlive);
  const pids = alive.flatMap(({ pid }) => processTree(pid));
  signalAll(pids, "SIGKILL");
  rmSync(root, { recursive: true, force: true, maxRetries: 5 });
}

function pidNamespace(): string {
  return process.platform === "linux" ? readlinkSync("/proc/self/ns/pid") : "one";
}

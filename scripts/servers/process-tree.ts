import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

/**
 * A process and all that descend from it, parents first. PostgreSQL's backends are in sessions of their own and RabbitMQ starts
 * helpers, so neither a process id nor a process group is the whole server.
 */
export function processTree(root: number): readonly number[] {
  const children = new Map<number, number[]>();
  for (const [pid, parent] of parents()) children.set(parent, [...(children.get(parent) ?? []), pid]);
  const found = [root];
  for (const pid of found) found.push(...(children.get(pid) ?? []));
  return found;
}

/** Sends to each process that is still there. */
export function signalAll(pids: readonly number[], signal: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch {
      // It has ended meanwhile.
    }
  }
}

/** A zombie has ended: it only waits for its parent to look. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  try {
    return stat(String(pid)).state !== "Z";
  } catch {
    return process.platform !== "linux";
  }
}

/**
 * Whether no thread of it runs any more after SIGSTOP. The signal is taken by a thread that first needs a processor; until then the others
 * go on, on a busy machine long enough for a server to answer. Elsewhere than on Linux this cannot be seen: yes.
 */
export function hasStopped(pid: number): boolean {
  if (process.platform !== "linux") return true;
  try {
    return readdirSync(`/proc/${pid}/task`).every((thread) =>
      "TtZX".includes(stat(`${pid}/task/${thread}`).state ?? ""),
    );
  } catch {
    // A thread, or all of it, ended meanwhile.
    return !isRunning(pid);
  }
}

/** When a process began, in ticks since the machine's start; empty for one that has ended. Elsewhere than on Linux, one word for all. */
export function startOf(pid: number): string {
  if (process.platform !== "linux") return isRunning(pid) ? "running" : "";
  try {
    const { state, start = "" } = stat(String(pid));
    return state === "Z" ? "" : start;
  } catch {
    return "";
  }
}

function parents(): readonly (readonly [number, number])[] {
  if (process.platform !== "linux") {
    const lines = execFileSync("ps", ["-A", "-o", "pid=,ppid="], { encoding: "utf8" }).trim().split("\n");
    return lines.map((line) => {
      const [pid, parent] = line.trim().split(/\s+/);
      return [Number(pid), Number(parent)] as const;
    });
  }
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        return [[Number(name), stat(name).parent] as const];
      } catch {
        return [];
      }
    });
}

/** The name of the program, in parentheses, may hold anything; what is wanted follows the last one. */
function stat(pid: string): { state: string | undefined; parent: number; start: string | undefined } {
  const text = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return { state: fields[0], parent: Number(fields[1]), start: fields[19] };
}

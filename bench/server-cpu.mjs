import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { processTree } from "../scripts/servers/process-tree.ts";

/** Milliseconds of a tick of the kernel's process times; 100 a second nearly everywhere. */
const TICK_MS =
  process.platform === "linux" ? 1_000 / Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" })) : 0;

/**
 * CPU that the server's processes have used so far, microseconds, in steps of 10 ms; those that have ended and were waited for count with their
 * parents. undefined where nobody can tell: no server, another machine's, or not Linux.
 */
export function serverCpuUs(pids) {
  if (pids === undefined || pids.length === 0 || TICK_MS === 0) return undefined;
  let ticks = 0;
  for (const pid of pids.flatMap((root) => processTree(root))) ticks += ticksOf(pid);
  return ticks * TICK_MS * 1_000;
}

function ticksOf(pid) {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
  } catch {
    return 0; // it has ended meanwhile
  }
}

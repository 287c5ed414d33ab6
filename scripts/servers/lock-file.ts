import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { startOf } from "./process-tree.ts";

const POLL = 100;

/** Runs the work while no other process does work under the same file. The lock of a process that has ended is void. */
export async function exclusively<T>(file: string, work: () => Promise<T>): Promise<T> {
  while (!take(file)) await delay(POLL);
  try {
    return await work();
  } finally {
    rmSync(file, { force: true });
  }
}

function take(file: string): boolean {
  try {
    writeFileSync(file, `${process.pid} ${startOf(process.pid)}`, { flag: "wx" });
    return true;
  } catch {
    if (!isHeld(file)) rmSync(file, { force: true });
    return false;
  }
}

function isHeld(file: string): boolean {
  try {
    const [pid, start] = readFileSync(file, "utf8").split(" ");
    // An empty file was created at this moment.
    return start === undefined || startOf(Number(pid)) === start;
  } catch {
    return true;
  }
}

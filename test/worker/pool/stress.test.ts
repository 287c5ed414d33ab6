import { readdirSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { CHILDREN, eventually, HANDLERS, isAlive, Stage } from "./stage.ts";

const PLAIN = new URL("./modules/plain.mjs", import.meta.url);

function resources(): readonly string[] {
  return process.getActiveResourcesInfo().filter((name) => /Process|Worker|MessagePort|Pipe|Timeout/.test(name));
}

/** Where /proc is: threads of this process, and its children. */
function threads(): number {
  return Number(/^Threads:\s+(\d+)/m.exec(readStatus("self"))?.[1] ?? 0);
}

function children(): readonly string[] {
  try {
    const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
    return pids.filter((pid) => new RegExp(`^PPid:\\s+${process.pid}$`, "m").test(readStatus(pid)));
  } catch {
    return [];
  }
}

function readStatus(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/status`, "utf8");
  } catch {
    return "";
  }
}

it("50 starts and stops leave no thread, process or timer", async () => {
  await start("threads", 0); // what is made once
  const before = resources().toSorted();
  const threadsBefore = threads();
  const childrenBefore = children();
  for (let round = 0; round < 25; round += 1) await Promise.all(CHILDREN.map((one) => start(one, round)));
  expect(children().filter((pid) => !childrenBefore.includes(pid))).toEqual([]);
  // What ended is cleared away a turn later; what leaked never is.
  await eventually(() => threads() <= threadsBefore && resources().toSorted().join() === before.join());
});

/** Stopped idle, while it starts, with a job, or before it started. */
async function start(isolation: (typeof CHILDREN)[number], round: number): Promise<void> {
  await using stage = new Stage(isolation, { abortGrace: 1, concurrency: 2 }, round % 4 === 2 ? HANDLERS : PLAIN);
  if (round % 4 === 3) return;
  const started = stage.pool.start();
  if (round % 4 === 1) return;
  await started;
  if (round % 4 === 0) return;
  await stage.push("sleep", 60_000);
  const { pid } = (await stage.result("where", undefined, { priority: 1 })) as { pid: number };
  await stage.pool.stop({ timeout: 0 });
  if (isolation === "processes") expect(isAlive(pid)).toBe(false);
}

/** What jobs that kill their worker do to those beside them: one worker process after the other on a store, until nothing is left. */
import { fork } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createJob, Queue } from "../../../src/entry/index.ts";
import { silentLogger } from "../../../src/runtime/index.ts";
import { driverFor } from "../../chaos/targets.ts";

const SCRIPT = fileURLToPath(new URL("worker.ts", import.meta.url));

export type Aftermath = Readonly<{
  /** How many processes died. */
  deaths: number;
  /** Ids of the jobs in failed. */
  failed: readonly string[];
  completed: number | undefined;
  /** Of each job, how often it was started. */
  starts: ReadonlyMap<string, number>;
}>;

/** `ids`: of the jobs in their order; those whose name begins with "poison" kill. */
export async function besidePoison(
  url: string,
  folder: string,
  ids: readonly string[],
  poisonMs?: number,
): Promise<Aftermath> {
  const log = join(folder, "starts");
  writeFileSync(log, "");
  const queue = await new Queue(await driverFor(url), { logger: silentLogger }).open();
  let deaths = 0;
  try {
    for (const id of ids) await queue.push(createJob(id, { id }));
    while (!(await isEmpty(queue))) {
      const child = fork(SCRIPT, [url, log, ...(poisonMs === undefined ? [] : [String(poisonMs)])], {
        execArgv: ["--disable-warning=ExperimentalWarning"],
      });
      const exited = once(child, "exit").then(() => true);
      let dead = false;
      while (!dead && !(await isEmpty(queue))) dead = await Promise.race([exited, pause(50, false)]);
      if (dead) deaths += 1;
      else child.disconnect();
      await exited;
    }
    const failed: string[] = [];
    for (const { id } of (await queue.records.list({ state: "failed" }, { limit: 500 })).jobs) failed.push(id);
    const starts = new Map<string, number>();
    for (const line of readFileSync(log, "utf8").trim().split("\n")) {
      const id = line.split(" ")[1] ?? "";
      starts.set(id, (starts.get(id) ?? 0) + 1);
    }
    return { deaths, failed, starts, completed: (await queue.getStats()).completedJobs };
  } finally {
    await queue.close();
  }
}

async function isEmpty(queue: Queue): Promise<boolean> {
  const { pendingJobs, delayedJobs, reservedJobs } = await queue.getStats();
  return (pendingJobs ?? 0) + (delayedJobs ?? 0) + (reservedJobs ?? 0) === 0;
}

import type { WorkerPool } from "jobferry";
import type { Digest } from "./digest-job.ts";
import type { Tally } from "./tally.ts";

/** Kills one of the pool's processes as soon as half of the jobs have ended and both are busy. */
export function startKiller(pool: WorkerPool, tally: Tally) {
  const killer = {
    killed: undefined as number | undefined,
    look(result: unknown): void {
      if (killer.killed !== undefined || tally.ended < tally.total / 2) return;
      const { activeWorkers, totalWorkers } = pool.getStats();
      if (activeWorkers < totalWorkers) return;
      const { pid } = result as Digest;
      process.kill(pid, "SIGKILL");
      killer.killed = pid;
      console.log(`Process ${pid} killed after ${tally.ended} of ${tally.total} jobs.`);
    },
  };
  return killer;
}

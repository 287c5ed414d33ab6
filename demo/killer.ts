import type { WorkerPool } from "jobferry";
import type { Digest } from "./digest-job.ts";
import type { Tally } from "./tally.ts";

/** Kills one of the pool's processes as soon as half of the jobs have ended and both are busy. */
export class Killer {
  readonly #pool: WorkerPool;
  readonly #tally: Tally;
  killed: number | undefined;

  constructor(pool: WorkerPool, tally: Tally) {
    this.#pool = pool;
    this.#tally = tally;
  }

  /** After each job, whose result names its process. Returns what happened. */
  look({ pid }: Digest): string | undefined {
    const { ended, total } = this.#tally;
    if (this.killed !== undefined || ended < total / 2) return undefined;
    const { activeWorkers, totalWorkers } = this.#pool.getStats();
    if (activeWorkers < totalWorkers) return undefined;
    process.kill(pid, "SIGKILL");
    this.killed = pid;
    return `Killed process ${pid} with SIGKILL after ${ended} of ${total} jobs.`;
  }
}

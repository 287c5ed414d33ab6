import { WorkerPool, type JobferryError, type Queue } from "jobferry";
import type { Digest } from "./digest-job.ts";
import { Killer } from "./killer.ts";
import { startProgress } from "./progress.ts";
import { Tally } from "./tally.ts";

export type Work = Readonly<{
  ms: number;
  bytes: number;
  /** The process that was killed half-way; undefined when the work was done before both were busy. */
  killed: number | undefined;
  /** Jobs that ended more than once. */
  twice: readonly string[];
}>;

const STALLED_AFTER_MS = 60_000;

/** Lets two processes work until every job has ended, kills one of them half-way, and shows how far it is. */
export async function processFiles(
  queue: Queue<never>,
  jobs: number,
  handler: URL,
  signal: AbortSignal,
): Promise<Work> {
  const tally = new Tally(jobs, STALLED_AFTER_MS);
  const pool = new WorkerPool(queue, "files", handler, { workers: 2, isolation: "processes", concurrency: 4 });
  await pool.start();
  const start = performance.now();
  const killer = new Killer(pool, tally);
  const progress = startProgress(tally);
  pool.on("completed", ({ job, result }) => {
    const digest = result as Digest;
    tally.completed(job.id, digest.bytes);
    const event = killer.look(digest);
    if (event !== undefined) progress.note(event);
  });
  pool.on("dead", ({ job }) => tally.dead(job.id));
  pool.on("error", ({ error }) => progress.note(described(error)));
  const stop = (): void => tally.giveUp();
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop, { once: true });

  await tally.allEnded;
  const ms = performance.now() - start;
  progress.end();
  await pool.stop({ timeout: signal.aborted ? 0 : "5s" });
  return { ms, bytes: tally.bytes, killed: killer.killed, twice: tally.twice };
}

/** That a process dies is part of the show. */
function described(error: JobferryError): string {
  return error.code === "WORKER_DIED" ? error.message : `${error.code}: ${error.message}`;
}

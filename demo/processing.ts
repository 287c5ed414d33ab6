import { WorkerPool, type Job, type JobferryError, type Queue } from "jobferry";
import { QUEUE, type Digest } from "./digest-job.ts";
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
  told: Told;
}>;

/** How each path ended, as the pool's events told it. */
export type Told = Readonly<{
  completed: ReadonlyMap<string, Digest>;
  /** Attempts by path. */
  failed: ReadonlyMap<string, number>;
  /** Completed jobs that a killed process had in hand. */
  redelivered: number;
}>;

const STALLED_AFTER_MS = 60_000;

/** Lets two processes work until every job has ended, kills one of them half-way, and shows how far it is. */
export async function processFiles(queue: Queue, jobs: number, handler: URL, signal: AbortSignal): Promise<Work> {
  const pool = new WorkerPool(queue, QUEUE, handler, { workers: 2, isolation: "processes", concurrency: 4 });
  await pool.start();
  const tally = new Tally(jobs, STALLED_AFTER_MS); // its timer runs from here
  const start = performance.now();
  const killer = new Killer(pool, tally);
  const progress = startProgress(tally);
  const completed = new Map<string, Digest>();
  const failed = new Map<string, number>();
  let redelivered = 0;
  pool.on("completed", ({ job, result }) => {
    const digest = result as Digest;
    completed.set(pathOf(job), digest);
    if (job.losses > 0) redelivered += 1;
    tally.completed(job.id, digest.bytes);
    const event = killer.look(digest);
    if (event !== undefined) progress.note(event);
  });
  pool.on("dead", ({ job }) => {
    failed.set(pathOf(job), job.attempts - job.losses);
    tally.dead(job.id);
  });
  pool.on("error", ({ error }) => progress.note(described(error)));
  const stop = (): void => tally.giveUp();
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop, { once: true });

  await tally.allEnded;
  const ms = performance.now() - start;
  progress.end();
  await pool.stop({ timeout: signal.aborted ? 0 : "5s" });
  return {
    ms,
    bytes: tally.bytes,
    killed: killer.killed,
    twice: tally.twice,
    told: { completed, failed, redelivered },
  };
}

function pathOf(job: Job): string {
  return (job.payload as { path: string }).path;
}

/** That a process dies is part of the show. */
function described(error: JobferryError): string {
  return error.code === "WORKER_DIED" ? error.message : `${error.code}: ${error.message}`;
}

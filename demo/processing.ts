import { WorkerPool, type Queue } from "jobferry";
import { startKiller } from "./killer.ts";
import { startProgress } from "./progress.ts";
import { Tally } from "./tally.ts";
import type { FoundFile } from "./walk.ts";

/** `killed`: the process that was killed half-way; undefined when the work was done before both processes were busy. */
export type Work = Readonly<{ ms: number; bytes: number; killed: number | undefined; twice: readonly string[] }>;

const STALLED_AFTER_MS = 60_000;

/** Lets two processes work until every job has ended, kills one of them half-way, and shows how far it is. */
export async function processFiles(
  queue: Queue<never>,
  files: readonly FoundFile[],
  handler: URL,
  signal: AbortSignal,
): Promise<Work> {
  const tally = new Tally(files.length, STALLED_AFTER_MS);
  const pool = new WorkerPool(queue, "files", handler, { workers: 2, isolation: "processes", concurrency: 4 });
  const killer = startKiller(pool, tally);
  const progress = startProgress(tally);
  pool.on("completed", ({ job, result }) => {
    tally.completed(job.id, result);
    killer.look(result);
  });
  pool.on("dead", ({ job }) => tally.dead(job.id));
  const stop = (): void => tally.giveUp();
  signal.addEventListener("abort", stop, { once: true });

  await pool.start();
  const start = performance.now();
  await tally.allEnded;
  const ms = performance.now() - start;
  progress.end();
  await pool.stop({ timeout: signal.aborted ? 0 : "5s" });
  return { ms, bytes: tally.bytes, killed: killer.killed, twice: tally.twice };
}

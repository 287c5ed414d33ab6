import type { JobRecord, JobState, Queue, QueueStats } from "jobferry";
import type { Digest } from "./digest-job.ts";

/** What the store says at the end: how each path ended, and its own counts. */
export type Outcomes = Readonly<{
  completed: ReadonlyMap<string, Digest>;
  /** Attempts by path. */
  failed: ReadonlyMap<string, number>;
  /** Completed jobs that a killed process had in hand. */
  redelivered: number;
  stats: QueueStats;
}>;

export async function outcomesOf(queue: Queue<never>): Promise<Outcomes> {
  const completed = new Map<string, Digest>();
  const failed = new Map<string, number>();
  let redelivered = 0;
  for await (const job of jobsIn(queue, "completed")) {
    completed.set(pathOf(job), job.result as Digest);
    if (job.losses > 0) redelivered += 1;
  }
  for await (const job of jobsIn(queue, "failed")) failed.set(pathOf(job), job.attempts - job.losses);
  return { completed, failed, redelivered, stats: await queue.getStats("files") };
}

async function* jobsIn(queue: Queue<never>, state: JobState): AsyncGenerator<JobRecord> {
  let cursor: string | undefined;
  do {
    const page = await queue.records.list({ queue: "files", state }, { limit: 1_000, cursor });
    yield* page.jobs;
    cursor = page.cursor;
  } while (cursor !== undefined);
}

function pathOf(job: JobRecord): string {
  return (job.payload as { path: string }).path;
}

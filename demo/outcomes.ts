import { setTimeout as sleep } from "node:timers/promises";
import type { JobRecord, JobState, Queue } from "jobferry";
import { QUEUE, type Digest } from "./digest-job.ts";
import type { Work } from "./processing.ts";

/** What the store says at the end: how each path ended, and its own counts. */
export type Outcomes = Readonly<{
  completed: ReadonlyMap<string, Digest>;
  /** Attempts by path. */
  failed: ReadonlyMap<string, number>;
  /** Completed jobs that a killed process had in hand. */
  redelivered: number;
  counts: Counts;
}>;

/** `left`: pending, delayed or reserved. */
export type Counts = Readonly<{ completed: number; failed: number; left: number }>;

/** A broker's counts come a moment after what they count. */
const COUNTS_WITHIN_MS = 5_000;

/** How many jobs of this queue were completed by earlier demos. */
export async function completedBefore(queue: Queue): Promise<number> {
  return (await queue.getStats(QUEUE)).completedJobs ?? 0;
}

export async function outcomesOf(queue: Queue, pushed: number, before: number, work: Work): Promise<Outcomes> {
  if (queue.capabilities.records !== true) return toldOutcomes(queue, pushed, work);
  const completed = new Map<string, Digest>();
  const failed = new Map<string, number>();
  let redelivered = 0;
  for await (const job of jobsIn(queue, "completed")) {
    completed.set(pathOf(job), job.result as Digest);
    if (job.losses > 0) redelivered += 1;
  }
  for await (const job of jobsIn(queue, "failed")) failed.set(pathOf(job), job.attempts - job.losses);
  const {
    completedJobs = 0,
    failedJobs = 0,
    pendingJobs = 0,
    delayedJobs = 0,
    reservedJobs = 0,
  } = await queue.getStats(QUEUE);
  const left = pendingJobs + delayedJobs + reservedJobs;
  return { completed, failed, redelivered, counts: { completed: completedJobs - before, failed: failedJobs, left } };
}

/**
 * A broker keeps no results and cannot list jobs. How each ended is what the pool's events told after the broker had been told; the counts are the
 * broker's: what is neither left nor failed was acknowledged.
 */
async function toldOutcomes(queue: Queue, pushed: number, { told }: Work): Promise<Outcomes> {
  const end = performance.now() + COUNTS_WITHIN_MS;
  for (;;) {
    const { pendingJobs = 0, delayedJobs = 0, failedJobs = 0 } = await queue.getStats(QUEUE);
    const left = pendingJobs + delayedJobs;
    if ((left === 0 && failedJobs === told.failed.size) || performance.now() > end) {
      const counts = { completed: pushed - failedJobs - left, failed: failedJobs, left };
      return { ...told, counts };
    }
    await sleep(100);
  }
}

async function* jobsIn(queue: Queue, state: JobState): AsyncGenerator<JobRecord> {
  let cursor: string | undefined;
  do {
    const page = await queue.records.list({ queue: QUEUE, state }, { limit: 1_000, cursor });
    yield* page.jobs;
    cursor = page.cursor;
  } while (cursor !== undefined);
}

function pathOf(job: JobRecord): string {
  return (job.payload as { path: string }).path;
}

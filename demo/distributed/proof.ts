import type { Queue, QueueStats } from "jobferry";
import { type Done, hashOf } from "./digest-job.ts";

export type Proof = Readonly<{
  stats: QueueStats;
  /** Jobs that ran more than once, because the node that had them was killed. */
  redelivered: number;
  byNode: ReadonlyMap<string, number>;
  differences: readonly string[];
}>;

/** Looks at every job in the store: each one must be completed, once, with the result that it must have. */
export async function prove(queue: Queue, jobs: number): Promise<Proof> {
  const seen = new Set<number>();
  const byNode = new Map<string, number>();
  const differences: string[] = [];
  let redelivered = 0;
  let cursor: string | undefined;
  do {
    const page = await queue.records.list({ state: "completed" }, { limit: 500, cursor });
    for (const { id, payload, result, attempts } of page.jobs) {
      const { n } = payload as Readonly<{ n: number }>;
      const done = result as Done;
      if (seen.has(n)) differences.push(`job ${n} was completed twice`);
      if (done.n !== n || done.hash !== hashOf(n)) differences.push(`job ${n} (${id}) has the wrong result`);
      if (attempts > 1) redelivered += 1;
      seen.add(n);
      byNode.set(done.node, (byNode.get(done.node) ?? 0) + 1);
    }
    cursor = page.cursor;
  } while (cursor !== undefined);
  for (let n = 1; n <= jobs; n += 1) if (!seen.has(n)) differences.push(`job ${n} is missing`);
  const stats = await queue.getStats();
  const { completedJobs, totalJobs, failedJobs } = stats;
  if (completedJobs !== jobs) differences.push(`${jobs} jobs were pushed, and the store counts ${completedJobs} done`);
  if (totalJobs !== jobs) differences.push(`${jobs} jobs were pushed, and the store has ${totalJobs}`);
  if (failedJobs !== 0) differences.push(`${failedJobs} jobs failed`);
  return { stats, redelivered, byNode, differences };
}

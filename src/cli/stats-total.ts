import type { QueueStats } from "../entry/index.ts";

/** The sum of the rows that are shown, so that it fits them. A count that one of them does not tell is not told here either. */
export function totalOf(rows: readonly QueueStats[]): QueueStats {
  const sum = (count: (row: QueueStats) => number | undefined): number | undefined =>
    rows.map(count).reduce((total, each) => (total === undefined || each === undefined ? undefined : total + each), 0);
  const oldest = Math.min(...rows.map(({ oldestPendingAt = Infinity }) => oldestPendingAt));
  return {
    totalJobs: sum(({ totalJobs }) => totalJobs),
    pendingJobs: sum(({ pendingJobs }) => pendingJobs),
    delayedJobs: sum(({ delayedJobs }) => delayedJobs),
    reservedJobs: sum(({ reservedJobs }) => reservedJobs),
    failedJobs: sum(({ failedJobs }) => failedJobs),
    completedJobs: sum(({ completedJobs }) => completedJobs),
    oldestPendingAt: Number.isFinite(oldest) ? oldest : undefined,
    paused: rows.length > 0 && rows.every(({ paused }) => paused),
    exact: rows.every(({ exact }) => exact),
  };
}

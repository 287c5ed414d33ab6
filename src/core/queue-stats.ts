import type { Capabilities, StoredStats } from "../contract/index.ts";

/**
 * What is there now, but for `completedJobs`: since the queue was made. A number that the backend cannot tell is undefined, and so is the sum;
 * `capabilities.stats` says beforehand which. `exact` is false when one of them is estimated or unknown.
 */
export type QueueStats = Readonly<
  Record<
    "totalJobs" | "pendingJobs" | "delayedJobs" | "reservedJobs" | "failedJobs" | "completedJobs",
    number | undefined
  >
> &
  Readonly<{
    /** Since when the oldest waiting job waits, epoch milliseconds. */
    oldestPendingAt: number | undefined;
    paused: boolean;
    exact: boolean;
  }>;

/** undefined as soon as one is unknown: a sum of the rest would be a guess. */
export function sumOf(counts: readonly (number | undefined)[]): number | undefined {
  let sum = 0;
  for (const count of counts) {
    if (count === undefined) return undefined;
    sum += count;
  }
  return sum;
}

export function shownStats(stats: StoredStats, capabilities: Capabilities): QueueStats {
  const { pending, delayed, reserved, failed, completed } = stats;
  const counts = [pending, delayed, reserved, failed, completed];
  return {
    totalJobs: sumOf(counts),
    pendingJobs: pending,
    delayedJobs: delayed,
    reservedJobs: reserved,
    failedJobs: failed,
    completedJobs: completed,
    oldestPendingAt: stats.oldestPendingAt,
    paused: stats.paused,
    exact: !counts.includes(undefined) && Object.values(capabilities.stats).every((quality) => quality === "exact"),
  };
}

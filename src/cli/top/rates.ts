import type { NamedStats } from "../commands/stats.ts";

export type QueueRates = Readonly<{ completedPerSecond: number; failedPerSecond: number }>;
export type Sample = Readonly<{ atMs: number; queues: readonly NamedStats[] }>;

/** What came to rest between two samples, by queue. Failed jobs that were retried or removed meanwhile do not count as negative. */
export function ratesBetween(before: Sample | undefined, now: Sample): ReadonlyMap<string, QueueRates> {
  const seconds = before === undefined ? 0 : (now.atMs - before.atMs) / 1_000;
  const earlier = new Map(before?.queues.map(({ queue, stats }) => [queue, stats]));
  const rate = (from: number | undefined, to: number | undefined): number =>
    from === undefined || to === undefined || !(seconds > 0) ? Number.NaN : Math.max(0, to - from) / seconds;
  return new Map(
    now.queues.map(({ queue, stats }) => {
      const old = earlier.get(queue);
      return [
        queue,
        {
          completedPerSecond: rate(old?.completedJobs, stats.completedJobs),
          failedPerSecond: rate(old?.failedJobs, stats.failedJobs),
        },
      ];
    }),
  );
}

import type { QueueStats } from "../core/index.ts";

const COUNTS = [
  "pendingJobs",
  "delayedJobs",
  "reservedJobs",
  "failedJobs",
  "completedJobs",
  "oldestPendingAt",
] as const;

/** Jobs of one queue at one moment; what the backend cannot count is undefined. */
export type QueueSample = Readonly<Record<(typeof COUNTS)[number], number | undefined>>;

/** What the leader saw at one moment. */
export type MetricsSample = Readonly<{
  /** Epoch milliseconds by the leader's clock. */
  at: number;
  leaderId: string;
  onlineNodes: number;
  /** Of the queues that some node serves. */
  queues: Readonly<Record<string, QueueSample>>;
}>;

/** As it is kept: counts without their names, because a history has them a thousand times. */
export type WrittenSample = readonly [at: number, leaderId: string, onlineNodes: number, queues: object];

export function sampleOf(stats: QueueStats): QueueSample {
  return Object.fromEntries(COUNTS.map((name) => [name, stats[name]])) as QueueSample;
}

export function writtenSample({ at, leaderId, onlineNodes, queues }: MetricsSample): WrittenSample {
  const counts = Object.entries(queues).map(([queue, sample]) => [queue, COUNTS.map((name) => sample[name] ?? null)]);
  return [at, leaderId, onlineNodes, Object.fromEntries(counts)];
}

/** undefined for what is no sample: somebody else wrote it. */
export function readSample(written: unknown): MetricsSample | undefined {
  if (!Array.isArray(written)) return undefined;
  const [at, leaderId, onlineNodes, queues] = written as readonly unknown[];
  if (typeof at !== "number" || typeof leaderId !== "string" || typeof onlineNodes !== "number") return undefined;
  const read = Object.entries(Object(queues) as Readonly<Record<string, unknown>>).flatMap(([queue, counts]) =>
    Array.isArray(counts) ? [[queue, readCounts(counts)] as const] : [],
  );
  return { at, leaderId, onlineNodes, queues: Object.fromEntries(read) };
}

function readCounts(counts: readonly unknown[]): QueueSample {
  const number = (value: unknown): number | undefined => (typeof value === "number" ? value : undefined);
  return Object.fromEntries(COUNTS.map((name, i) => [name, number(counts[i])])) as QueueSample;
}

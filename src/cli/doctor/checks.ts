import type { Queue, QueueStats } from "../../entry/index.ts";
import { jobCount } from "../job-count.ts";
import { isOlderNode } from "../../entry/node-version.ts";
import { DOCTOR_QUEUE } from "../own-queues.ts";
import { shortLength } from "../times.ts";

export type Check = Readonly<{ name: string; status: "ok" | "warning" | "failed"; message: string; fix?: string }>;

const ROUND_TRIP_WAIT = "5s";

const DURABLE_SETTINGS = [
  [/^redis/i, "Set appendonly yes on the server (docs/backends/redis.md)."],
  [/^postgres/i, "Set synchronous_commit on the server (docs/backends/postgres.md)."],
  [/^(consul|http)/i, "This Consul runs with -dev. Start it with a data directory (docs/backends/consul.md)."],
] as const;

export function checkNode(version: string, wanted: string): Check {
  const isOld = isOlderNode(version, wanted);
  const fix = { fix: `Run it with Node.js ${wanted} or newer.` };
  return { name: "node", status: isOld ? "failed" : "ok", message: `Node.js ${version}`, ...(isOld ? fix : {}) };
}

export function checkDurability({ durability }: Queue["capabilities"], url: string): Check {
  if (durability !== "process" && durability !== "unknown") {
    return { name: "durability", status: "ok", message: `a stored job survives: ${durability}` };
  }
  const fix =
    DURABLE_SETTINGS.find(([scheme]) => scheme.test(url))?.[1] ??
    "Use a backend that stores jobs, such as sqlite:./jobs.db.";
  return { name: "durability", status: "warning", message: `a stored job survives: ${durability}`, fix };
}

/** Push, pop and complete a job of our own. */
export async function checkRoundTrip(queue: Queue, push: (queueName: string) => Promise<unknown>): Promise<Check> {
  const start = performance.now();
  const took = (): string => `${(performance.now() - start).toFixed(1)} ms`;
  try {
    if (queue.capabilities.pause.support !== "unsupported") await queue.resume(DOCTOR_QUEUE);
    await push(DOCTOR_QUEUE);
    const job = await queue.pop({ queue: DOCTOR_QUEUE, wait: ROUND_TRIP_WAIT, lease: "30s" });
    if (job === undefined) {
      const fix = "Look at the load of the backend, then run doctor again.";
      return { name: "round trip", status: "failed", message: `a pushed job did not come back in ${took()}`, fix };
    }
    await job.complete();
    return { name: "round trip", status: "ok", message: `push, pop and complete in ${took()}` };
  } finally {
    // What a killed doctor left behind: its job waits, or went to failed when its lease ran out.
    if (queue.capabilities.clear.support !== "unsupported") await queue.clear(DOCTOR_QUEUE);
    if (queue.capabilities.records !== false) await queue.flushFailed(DOCTOR_QUEUE);
  }
}

export type NamedStats = Readonly<{ queue: string; stats: QueueStats }>;

export function checkQueues(queues: readonly NamedStats[], now: number, maxAgeMs: number): readonly Check[] {
  return [checkPaused(queues), checkOldest(queues, now, maxAgeMs), checkFailed(queues)];
}

function checkPaused(queues: readonly NamedStats[]): Check {
  const paused = queues.filter(({ stats }) => stats.paused).map(({ queue }) => queue);
  if (paused.length === 0) return { name: "paused queues", status: "ok", message: "none" };
  return { name: "paused queues", status: "warning", message: paused.join(", "), fix: "jobferry resume <queue>" };
}

function checkOldest(queues: readonly NamedStats[], now: number, maxAgeMs: number): Check {
  let oldest: Readonly<{ queue: string; age: number }> | undefined;
  for (const { queue, stats } of queues) {
    const age = stats.oldestPendingAt === undefined ? -1 : Math.max(0, now - stats.oldestPendingAt);
    if (!stats.paused && age > (oldest?.age ?? -1)) oldest = { queue, age };
  }
  const untold = queues.some(({ stats }) => stats.oldestPendingAt === undefined && stats.pendingJobs !== 0);
  if (oldest === undefined && untold)
    return { name: "oldest pending job", status: "ok", message: "jobs wait; this backend does not tell for how long" };
  if (oldest === undefined) return { name: "oldest pending job", status: "ok", message: "none waits" };
  const message = `waits for ${shortLength(oldest.age)} in "${oldest.queue}"`;
  if (oldest.age <= maxAgeMs) return { name: "oldest pending job", status: "ok", message };
  const fix = "Start workers on that queue, or more of them.";
  return { name: "oldest pending job", status: "warning", message, fix };
}

function checkFailed(queues: readonly NamedStats[]): Check {
  if (queues.some(({ stats }) => stats.failedJobs === undefined))
    return { name: "failed jobs", status: "ok", message: "this backend does not count them" };
  const failed = queues.reduce((sum, { stats }) => sum + (stats.failedJobs ?? 0), 0);
  if (failed === 0) return { name: "failed jobs", status: "ok", message: "none" };
  const fix = "See them with jobferry failed, then retry or forget them.";
  return { name: "failed jobs", status: "warning", message: jobCount(failed), fix };
}

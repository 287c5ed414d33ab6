// How the key-value driver lays out jobs under keys.
import type { PushItem, StoredJob } from "../../../src/contract/index.ts";
import type { Entry, Operation } from "./kv-server.ts";

export type Kept = Readonly<Omit<StoredJob, "item" | "state"> & { maxLosses: number }>;
export type QueueState = Readonly<{ paused: boolean; completed: number }>;

export const digits = (value: number): string => Math.floor(value).toString().padStart(16, "0");
export const escape = (name: string): string => encodeURIComponent(name).replaceAll(".", "%2E");
export const idKey = (id: string): string => `id/${escape(id)}`;
export const queueKey = (queue: string): string => `q/${escape(queue)}`;
export const readyPrefix = (queue: string): string => `r/${escape(queue)}/`;

export function fromPush(job: PushItem, now: number): Kept {
  const { id, queue, name, priority, tags, maxLosses, createdAt, envelope, payload } = job;
  const availableAt = job.runAt === undefined ? now + job.delayMs : Math.max(now, job.runAt);
  const counts = { attempts: 0, losses: 0, exceptions: 0 };
  const later = { reservedAt: undefined, finishedAt: undefined, failure: undefined, result: undefined };
  return { id, queue, name, priority, tags, maxLosses, createdAt, envelope, payload, availableAt, ...counts, ...later };
}

export function stored(kept: Kept, state: StoredJob["state"]): StoredJob {
  const { maxLosses: _maxLosses, ...job } = kept;
  return { item: undefined, state, ...job };
}

export function failed(job: Kept): readonly Operation[] {
  const put = `f/${digits(job.finishedAt ?? 0)}.${escape(job.id)}`;
  return [
    { put, value: job },
    { put: idKey(job.id), value: put },
  ];
}

/** What can be claimed at once: everything before the first job with losses that has no free slot. */
export function upToLost(waiting: readonly Entry<Kept>[], free: number): readonly Entry<Kept>[] {
  let lost = 0;
  const end = waiting.findIndex(({ value }) => value.losses > 0 && (lost += 1) > free);
  return end === -1 ? waiting : waiting.slice(0, end);
}

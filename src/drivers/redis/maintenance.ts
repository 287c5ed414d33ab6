import type { MaintainResult, Retention, StoredJob } from "../../contract/index.ts";
import { sooner } from "./claim-jobs.ts";
import { RecordReader } from "./job-record.ts";
import type { Partition } from "./keys.ts";
import { DUE_PORTION, portions, QUEUES_A_CALL } from "./limits.ts";
import { scripts } from "./script.ts";
import type { RedisStore } from "./store.ts";

type Sum = { promoted: number; recovered: number; lost: number; died: StoredJob[]; nextDueInMs: number | undefined };
type Limits = Readonly<{ max: number; signal?: AbortSignal | undefined }>;

/**
 * Promotes what is due, takes back what ran out, prunes: at most `max` of each, in portions of one script call. Safe in any number of
 * processes: each call looks and moves in one step.
 */
export async function maintainStore(store: RedisStore, limits: Limits): Promise<MaintainResult> {
  const sum: Sum = { promoted: 0, recovered: 0, lost: 0, died: [], nextDueInMs: undefined };
  for (const partition of store.partitions) {
    for (const queues of portions(await queuesOf(store, partition), QUEUES_A_CALL)) {
      await bringUpToDate(store, partition, queues, limits, sum);
    }
    await prune(store, partition, limits);
  }
  const { promoted, recovered, died, nextDueInMs } = sum;
  return { promoted, recovered, died, nextDueInMs };
}

/** Names are few, and a set of them is not a queue: it is read whole. */
export async function queuesOf(store: RedisStore, { tag, route }: Partition): Promise<readonly string[]> {
  const names = (await store.send(["SMEMBERS", `${tag}queues`], route)) as Iterable<unknown>;
  return [...names].map(String);
}

async function bringUpToDate(
  store: RedisStore,
  partition: Partition,
  queues: readonly string[],
  { max, signal }: Limits,
  sum: Sum,
): Promise<void> {
  while (!signal?.aborted) {
    const promotable = Math.min(DUE_PORTION, max - sum.promoted);
    const recoverable = Math.min(DUE_PORTION, max - sum.lost);
    const reply = await store.call(scripts.maintain, partition, [String(promotable), String(recoverable), ...queues]);
    const [promoted, recovered, lost, next] = reply as readonly [number, number, number, number];
    sum.promoted += promoted;
    sum.recovered += recovered;
    sum.lost += lost;
    const dead = new RecordReader(reply as readonly unknown[], 4);
    while (dead.more) sum.died.push(dead.job("failed").job);
    const isMore = (promoted > 0 && promoted === promotable) || (lost > 0 && lost === recoverable);
    if (isMore) continue;
    sum.nextDueInMs = sooner(sum.nextDueInMs, next < 0 ? undefined : next);
    return;
  }
}

async function prune(store: RedisStore, partition: Partition, { max, signal }: Limits): Promise<void> {
  const { completed, failed } = store.context.retention;
  for (const [line, retention] of [
    ["completed", completed],
    ["failed", failed],
  ] as const) {
    let left = max;
    while (left > 0 && !signal?.aborted && isBounded(retention)) {
      const most = Math.min(left, DUE_PORTION);
      const args = [line, ...keep(retention, store.partitions.length), String(most)];
      const removed = (await store.call(scripts.prune, partition, args)) as number;
      left -= removed;
      if (removed < most) break;
    }
  }
}

function isBounded({ count, ageMs }: Retention): boolean {
  return Number.isFinite(count) || Number.isFinite(ageMs);
}

/** Each part of a split store keeps its share. */
function keep({ count, ageMs }: Retention, partitions: number): readonly [count: string, age: string] {
  return [
    Number.isFinite(count) ? String(Math.ceil(count / partitions)) : "-1",
    Number.isFinite(ageMs) ? String(ageMs) : "-1",
  ];
}

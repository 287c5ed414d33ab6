import type { MaintainResult, RecordPage, Retention, StoredJob } from "../../contract/index.ts";
import { portions } from "../shared/portions.ts";
import { prunes } from "../shared/retention.ts";
import { sooner } from "./claim-jobs.ts";
import { RecordReader } from "./job-record.ts";
import { jobRecords } from "./job-records.ts";
import type { Partition } from "./keys.ts";
import { DUE_PORTION, QUEUES_A_CALL } from "./limits.ts";
import { queuesOf } from "./queue-names.ts";
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
  }
  const pruned = await prune(store, limits);
  const { promoted, recovered, died, nextDueInMs } = sum;
  return { promoted, recovered, pruned, died, nextDueInMs };
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

async function prune(store: RedisStore, limits: Limits): Promise<number> {
  const { completed, failed } = store.context.retention;
  let pruned = 0;
  for (const [line, retention] of [
    ["completed", completed],
    ["failed", failed],
  ] as const) {
    if (!prunes(retention)) continue;
    const [only] = store.partitions;
    if (store.partitions.length === 1 && only !== undefined)
      pruned += await pruneLine(store, only, line, retention, limits);
    else pruned += await pruneTogether(store, line, retention, limits);
  }
  return pruned;
}

async function pruneLine(
  store: RedisStore,
  partition: Partition,
  line: "completed" | "failed",
  { count, ageMs }: Retention,
  { max, signal }: Limits,
): Promise<number> {
  const keep = [count, ageMs].map((limit) => (Number.isFinite(limit) ? String(limit) : "-1"));
  let left = max;
  while (left > 0 && !signal?.aborted) {
    const most = Math.min(left, DUE_PORTION);
    const removed = (await store.call(scripts.prune, partition, [line, ...keep, String(most)])) as number;
    left -= removed;
    if (removed < most) break;
  }
  return max - left;
}

/** The oldest of all partitions go first, so they are listed together. */
async function pruneTogether(
  store: RedisStore,
  line: "completed" | "failed",
  { count, ageMs }: Retention,
  { max }: Limits,
): Promise<number> {
  const records = jobRecords(() => store);
  const lengths = await Promise.all(
    store.partitions.map(({ tag, route }) => store.send(["ZCARD", `${tag}${line}`], route)),
  );
  const surplus = Math.min(max, lengths.reduce((sum: number, length) => sum + Number(length), 0) - count);
  let pruned = 0;
  if (surplus > 0) pruned += await records.remove(idsOf(await records.list({ state: line }, { limit: surplus })));
  if (!Number.isFinite(ageMs) || pruned >= max) return pruned;
  const before = store.context.clock.now() - ageMs;
  return pruned + (await records.remove(idsOf(await records.list({ state: line, before }, { limit: max - pruned }))));
}

const idsOf = ({ jobs }: RecordPage): readonly string[] => jobs.map(({ id }) => id);

import type { PushItem, PushResult } from "../../contract/index.ts";
import { JobferryError } from "../../errors/index.ts";
import { faultOf, type PushLimits } from "../shared/push-limits.ts";
import type { Durable } from "./durable.ts";
import type { Argument } from "./clients/connection.ts";
import { isUnanswered } from "./errors.ts";
import { isLarge, packTail } from "./job-record.ts";
import { idField, partitionOfId } from "./keys.ts";
import type { Partition } from "./keys.ts";
import { MAX_BATCH_BYTES, MAX_ID_BYTES, MAX_ITEMS, MAX_PAYLOAD_BYTES, MAX_PRIORITY } from "./limits.ts";
import { Packing } from "./packing.ts";
import { scripts } from "./script.ts";
import type { RedisStore } from "./store.ts";

const LIMITS: PushLimits = { title: "Redis", payloadBytes: MAX_PAYLOAD_BYTES, priority: MAX_PRIORITY };
const STORED: PushResult = { status: "stored" };
const EXISTS: PushResult = { status: "exists" };
const UNKNOWN: PushResult = { status: "unknown" };
const NO_BYTES = new Uint8Array(0);

/** Indexes of jobs that go in one call. */
type Part = Readonly<{ partition: Partition; indexes: readonly number[] }>;

export async function pushJobs(
  store: RedisStore,
  durable: Durable | undefined,
  jobs: readonly PushItem[],
): Promise<readonly PushResult[]> {
  const now = store.context.clock.now();
  const [only] = jobs;
  if (jobs.length === 1 && only !== undefined) {
    const error = fault(only, now);
    if (error !== undefined) return [{ status: "refused", error }];
    return pushPart(store, durable, partitionOf(store, only.id), jobs);
  }
  const results: PushResult[] = [];
  const good: number[] = [];
  for (const [i, job] of jobs.entries()) {
    const error = fault(job, now);
    if (error === undefined) good.push(i);
    else results[i] = { status: "refused", error };
  }
  // In parallel: they are pipelined on one connection, or go to different nodes.
  await Promise.all(
    partsOf(store, jobs, good).map(async ({ partition, indexes }) => {
      const answers = await pushPart(
        store,
        durable,
        partition,
        indexes.map((i) => jobs[i] as PushItem),
      );
      for (const [k, i] of indexes.entries()) results[i] = answers[k] ?? UNKNOWN;
    }),
  );
  return results;
}

function partitionOf({ partitions }: RedisStore, id: string): Partition {
  return partitions[partitionOfId(id, partitions.length)] as Partition;
}

function partsOf(store: RedisStore, jobs: readonly PushItem[], good: readonly number[]): readonly Part[] {
  const parts: { partition: Partition; indexes: number[]; bytes: number }[] = [];
  const open = new Map<number, (typeof parts)[number]>();
  for (const i of good) {
    const job = jobs[i] as PushItem;
    const number = partitionOfId(job.id, store.partitions.length);
    const bytes = (job.payloadText?.length ?? job.payload.length) + job.envelope.length;
    let part = open.get(number);
    if (part === undefined || part.indexes.length >= MAX_ITEMS || part.bytes + bytes > MAX_BATCH_BYTES) {
      part = { partition: store.partitions[number] as Partition, indexes: [], bytes: 0 };
      open.set(number, part);
      parts.push(part);
    }
    part.indexes.push(i);
    part.bytes += bytes;
  }
  return parts;
}

async function pushPart(
  store: RedisStore,
  durable: Durable | undefined,
  partition: Partition,
  jobs: readonly PushItem[],
): Promise<readonly PushResult[]> {
  const { connection } = durable ?? store;
  const { losses } = connection;
  try {
    const [only] = jobs;
    const isPlain = jobs.length === 1 && only !== undefined && !isSpecial(only);
    const script = isPlain ? scripts.pushOne : scripts.push;
    const args = isPlain ? packedOne(only) : packed(jobs);
    const reply =
      durable === undefined
        ? await store.call(script, partition, args)
        : await durable.write(partition, () => store.call(script, partition, args, { connection: durable.connection }));
    const results = jobs.map(() => STORED);
    // A client that sent them again after a reconnect may have found its own first try.
    const known = connection.losses === losses ? EXISTS : UNKNOWN;
    for (const number of reply as readonly number[]) results[number - 1] = known;
    return results;
  } catch (error) {
    if (isUnanswered(error)) return jobs.map(() => UNKNOWN);
    return jobs.map((): PushResult => ({ status: "failed", error }));
  }
}

/** Whether it needs more than a place at the end of its line. */
function isSpecial(job: PushItem): boolean {
  return job.priority !== 0 || job.delayMs > 0 || job.runAt !== undefined || isLarge(job);
}

function packedOne(job: PushItem): readonly Argument[] {
  const packing = new Packing(384);
  packTail(packing, job);
  return [idField(job.id), packing.done(), job.queue];
}

function packed(jobs: readonly PushItem[]): readonly Argument[] {
  const queues: string[] = [];
  const packing = new Packing(jobs.length * 384);
  let lastQueue: string | undefined;
  let queue = 0;
  for (const job of jobs) {
    if (job.queue !== lastQueue) {
      lastQueue = job.queue;
      queue = queues.indexOf(job.queue);
      if (queue < 0) queue = queues.push(job.queue) - 1;
    }
    const special = isSpecial(job);
    packing
      .short(queue)
      .byte(special ? 1 : 0)
      .text(idField(job.id))
      .nested((tail) => packTail(tail, job));
    if (!special) continue;
    packing
      .double(job.priority === 0 ? 0 : job.priority)
      .double(job.delayMs)
      .double(job.runAt === undefined ? -1 : Math.max(0, job.runAt))
      .blob(isLarge(job) ? job.payload : NO_BYTES);
  }
  return [packing.done(), ...queues];
}

function fault(job: PushItem, now: number): JobferryError | undefined {
  const isLong = job.id.length * 3 > MAX_ID_BYTES && Buffer.byteLength(job.id) > MAX_ID_BYTES;
  return faultOf(job, now, LIMITS) ?? (isLong ? tooLongId() : undefined);
}

function tooLongId(): JobferryError {
  return new JobferryError("INVALID_ARGUMENT", `An id has more than ${MAX_ID_BYTES} bytes, the limit of Redis queues.`);
}

import type {
  ExtendItem,
  ExtendResult,
  FinishItem,
  FinishResult,
  Reservation,
  StoredJob,
} from "../../contract/index.ts";
import type { Kept } from "../shared/retention.ts";
import { isUnanswered } from "./errors.ts";
import { bucketOf, RecordReader } from "./job-record.ts";
import { idField, partitionOfId } from "./keys.ts";
import type { Partition } from "./keys.ts";
import { MAX_BATCH_BYTES, MAX_ITEMS } from "./limits.ts";
import { Packing } from "./packing.ts";
import { scripts } from "./script.ts";
import type { RedisStore } from "./store.ts";

/** Whether finished jobs are kept at all; how many is decided by `maintain`. */
export type Finished = Readonly<{ results: readonly FinishResult[]; died: readonly StoredJob[] }>;

const NO_BYTES = new Uint8Array(0);
const OK_CODE = 0x31;
const RELEASE = 1;
const FAIL = 2;

type Ending = Exclude<FinishItem, { outcome: "done" }>;
type Done = Extract<FinishItem, { outcome: "done" }>;

/** Items of one call. */
type Part<I> = Readonly<{ partition: Partition; items: readonly I[]; indexes: readonly number[] }>;

/** Items in their order, also where one job is named more than once: then each of its items goes in a call after the one before. */
export async function finishJobs(store: RedisStore, items: readonly FinishItem[], kept: Kept): Promise<Finished> {
  const again = repeated(items);
  if (again.size === 0) return finishEach(store, items, kept);
  const first = await finishEach(
    store,
    items.filter((_, i) => !again.has(i)),
    kept,
  );
  const second = await finishJobs(
    store,
    items.filter((_, i) => again.has(i)),
    kept,
  );
  const [firsts, seconds] = [[...first.results], [...second.results]];
  const results = items.map((_, i) => (again.has(i) ? seconds.shift() : firsts.shift()) ?? "unknown");
  return { results, died: [...first.died, ...second.died] };
}

/** Where a job is named that was named before. Only a mixture of outcomes is split over calls, so only there it matters. */
function repeated(items: readonly FinishItem[]): ReadonlySet<number> {
  const again = new Set<number>();
  const [first] = items;
  if (items.every(({ outcome }) => (outcome === "done") === (first?.outcome === "done"))) return again;
  const seen = new Set<string>();
  for (const [i, { reservation }] of items.entries()) {
    if (seen.has(reservation.job.id)) again.add(i);
    seen.add(reservation.job.id);
  }
  return again;
}

/** Completions, which most items are, go to a script of their own that needs the same few commands for any number of them. */
async function finishEach(store: RedisStore, items: readonly FinishItem[], kept: Kept): Promise<Finished> {
  const results: FinishResult[] = [];
  const died: StoredJob[] = [];
  const { losses } = store.connection;
  const answer = (indexes: readonly number[], answers: Buffer): void => {
    // A command that a client sent again after a reconnect may find its own first try.
    const refused = store.connection.losses === losses ? "lost" : "unknown";
    for (const [k, i] of indexes.entries()) results[i] = answers[k] === OK_CODE ? "ok" : refused;
  };
  const done = partsOf(store, items, results, (item): item is Done => item.outcome === "done");
  const others = partsOf(store, items, results, (item): item is Ending => item.outcome !== "done");
  // What was sent and not answered is unknown: core asks again under the same token.
  const unlessUnanswered = async (indexes: readonly number[], send: () => Promise<void>): Promise<void> => {
    try {
      await send();
    } catch (error) {
      if (!isUnanswered(error)) throw error;
      for (const i of indexes) results[i] = "unknown";
    }
  };
  const sendEndings = async (part: Part<Ending>): Promise<void> => {
    const args = [kept.failed ? "1" : "0", packEndings(part.items)];
    const [answers, ...parts] = (await store.call(scripts.finish, part.partition, args)) as readonly Buffer[];
    answer(part.indexes, answers ?? Buffer.alloc(0));
    const dead = new RecordReader(parts, 0);
    while (dead.more) died.push(dead.job("failed").job);
  };
  await Promise.all([
    ...done.map((part) =>
      unlessUnanswered(part.indexes, async () => answer(part.indexes, await sendDone(store, part, kept.completed))),
    ),
    ...others.map((part) => unlessUnanswered(part.indexes, () => sendEndings(part))),
  ]);
  return { results, died };
}

/** A token of another backend ends nothing. */
function isOurs({ token }: Reservation): boolean {
  return typeof token === "number" && Number.isSafeInteger(token);
}

function partsOf<T extends Readonly<{ reservation: Reservation }>, I extends T>(
  store: RedisStore,
  items: readonly T[],
  results: unknown[],
  wanted: (item: T) => item is I,
): readonly Part<I>[] {
  const parts: { partition: Partition; items: I[]; indexes: number[]; bytes: number }[] = [];
  const open = new Map<number, (typeof parts)[number]>();
  for (const [i, item] of items.entries()) {
    if (!wanted(item)) continue;
    if (!isOurs(item.reservation)) {
      results[i] = "lost";
      continue;
    }
    const number = partitionOfId(item.reservation.job.id, store.partitions.length);
    let part = open.get(number);
    if (part === undefined || part.items.length >= MAX_ITEMS || part.bytes > MAX_BATCH_BYTES) {
      part = { partition: store.partitions[number] as Partition, items: [], indexes: [], bytes: 0 };
      open.set(number, part);
      parts.push(part);
    }
    part.items.push(item);
    part.indexes.push(i);
    part.bytes += bytesOf(item);
  }
  return parts;
}

function bytesOf(item: object): number {
  return "result" in item && item.result instanceof Uint8Array ? item.result.length : 0;
}

async function sendDone(store: RedisStore, { partition, items }: Part<Done>, keep: boolean): Promise<Buffer> {
  const queues: string[] = [];
  const packing = new Packing(items.length * 64);
  let lastQueue: string | undefined;
  let lastBucket: number | undefined;
  for (const { reservation, result } of items) {
    const { id, queue } = reservation.job;
    // Both are missing where someone took a reservation apart and put it together again.
    const bucket = "place" in reservation ? bucketOf(String(reservation.place)) : -1;
    const plain = "plain" in reservation && reservation.plain === true;
    const kept = keep && result !== undefined ? result : NO_BYTES;
    const isOther = queue !== lastQueue || bucket !== lastBucket || !plain || kept.length > 0;
    packing
      .byte(isOther ? 1 : 0)
      .text(idField(id))
      .text(`${reservation.token}:`);
    if (!isOther) continue;
    packing
      .short(indexIn(queues, queue))
      .double(bucket)
      .byte(plain ? 1 : 0)
      .blob(kept);
    [lastQueue, lastBucket] = [queue, bucket];
  }
  return (await store.call(scripts.done, partition, [keep ? "1" : "0", packing.done(), ...queues])) as Buffer;
}

function packEndings(items: readonly Ending[]): Uint8Array {
  const packing = new Packing(items.length * 64);
  for (const item of items) {
    const { reservation, failure, threw = false } = item;
    const isRelease = item.outcome === "release";
    const flags =
      (isRelease && item.refund === true ? 1 : 0) + (threw ? 2 : 0) + (isRelease && item.loss === true ? 4 : 0);
    packing
      .byte(isRelease ? RELEASE : FAIL)
      .text(idField(reservation.job.id))
      .double(reservation.token as number)
      .double(isRelease ? item.delayMs : 0)
      .byte(flags)
      .blob(failure === undefined ? NO_BYTES : JSON.stringify(failure));
  }
  return packing.done();
}

export async function extendLeases(store: RedisStore, items: readonly ExtendItem[]): Promise<readonly ExtendResult[]> {
  const results: ExtendResult[] = [];
  const parts = partsOf(store, items, results, (item): item is ExtendItem => item !== undefined);
  await Promise.all(
    parts.map(async ({ partition, items: some, indexes }) => {
      const queues: string[] = [];
      const packing = new Packing(some.length * 64);
      for (const { reservation, leaseMs } of some) {
        packing
          .short(indexIn(queues, reservation.job.queue))
          .text(idField(reservation.job.id))
          .double(reservation.token as number)
          .double(leaseMs);
      }
      const answers = (await store.call(scripts.extend, partition, [packing.done(), ...queues])) as Buffer;
      for (const [k, i] of indexes.entries()) results[i] = answers[k] === OK_CODE ? "ok" : "lost";
    }),
  );
  return results;
}

function indexIn(queues: string[], queue: string): number {
  const index = queues.indexOf(queue);
  return index < 0 ? queues.push(queue) - 1 : index;
}

import type { ReserveRequest, ReserveResult, StoredJob } from "../../contract/index.ts";
import { finishJobs } from "./finish-jobs.ts";
import { RecordReader } from "./job-record.ts";
import type { RedisReservation } from "./job-record.ts";
import type { Partition } from "./keys.ts";
import { MAX_CLAIM_BYTES, MAX_ITEMS } from "./limits.ts";
import { scripts } from "./script.ts";
import type { RedisStore } from "./store.ts";

type Claimed = Readonly<{
  reservations: readonly RedisReservation[];
  died: readonly StoredJob[];
  nextDueInMs: number | undefined;
}>;

/** Where the next claim begins, so that no partition starves. */
let turn = 0;

/**
 * One script call a partition, until there are enough. It promotes, recovers and takes at once, and Redis runs one script at a time: between
 * taking a job out of its line and giving it a token nobody else sees it.
 */
export async function claimJobs(
  store: RedisStore,
  request: ReserveRequest,
  isOver: () => boolean,
): Promise<ReserveResult> {
  const claimedAt = store.context.clock.monotonic();
  const max = Math.min(request.max, MAX_ITEMS);
  const { partitions } = store;
  const [only] = partitions;
  if (partitions.length === 1 && only !== undefined) {
    return { ...(await claimFrom(store, only, request, max, request.free ?? max)), claimedAt };
  }
  return claimFromEach(store, { ...request, max, free: request.free ?? max }, isOver);
}

/** Queue after queue, because their order counts, and for each the partitions in turn. */
async function claimFromEach(
  store: RedisStore,
  request: ReserveRequest & Readonly<{ free: number }>,
  isOver: () => boolean,
): Promise<ReserveResult> {
  const { partitions, context } = store;
  const { max } = request;
  turn = (turn + 1) % partitions.length;
  const order = [...partitions.slice(turn), ...partitions.slice(0, turn)];
  const all: { reservations: RedisReservation[]; died: StoredJob[] } = { reservations: [], died: [] };
  let [free, nextDueInMs]: [number, number | undefined] = [request.free, undefined];
  let claimedAt = context.clock.monotonic();
  try {
    for (const queue of request.queues) {
      for (const partition of order) {
        const left = max - all.reservations.length;
        if (left <= 0 || isOver()) return { ...all, nextDueInMs, claimedAt };
        if (all.reservations.length === 0) claimedAt = context.clock.monotonic();
        const got = await claimFrom(store, partition, { ...request, queues: [queue] }, left, free);
        all.reservations.push(...got.reservations);
        all.died.push(...got.died);
        free -= got.reservations.filter(({ job }) => job.losses > 0).length;
        nextDueInMs = sooner(nextDueInMs, got.nextDueInMs);
      }
    }
  } catch (error) {
    // What was taken already is given; the partition that is away is asked again.
    if (all.reservations.length + all.died.length === 0) throw error;
  }
  return { ...all, nextDueInMs, claimedAt };
}

export function sooner(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return Math.min(a, b);
}

async function claimFrom(
  store: RedisStore,
  partition: Partition,
  { queues, leaseMs }: ReserveRequest,
  max: number,
  free: number,
): Promise<Claimed> {
  const args = [
    String(leaseMs),
    String(max),
    String(free),
    String(MAX_CLAIM_BYTES),
    String(store.partitions.length),
    String(partition.number),
    ...queues,
  ];
  const reply = await store.call(scripts.claim, partition, args, {
    late: (late) => giveBack(store, read(store, late)),
  });
  return read(store, reply);
}

function read({ partitions }: RedisStore, reply: unknown): Claimed {
  const parts = reply as readonly unknown[];
  const [now, first, next, diedParts] = parts as readonly [number, number, number, number];
  const died: StoredJob[] = [];
  const dead = new RecordReader(parts, 4, 4 + diedParts);
  while (dead.more) died.push(dead.job("failed").job);
  const reservations: RedisReservation[] = [];
  const taken = new RecordReader(parts, 4 + diedParts);
  for (let token = first; taken.more; token += partitions.length) {
    const { job, place, plain } = taken.job("reserved", now);
    reservations.push({ job, token, place, plain });
  }
  return { reservations, died, nextDueInMs: next < 0 ? undefined : next };
}

/** Jobs for whom nobody waits any more go back, with their attempts. What fails here comes back when its lease ends. */
export function giveBack(store: RedisStore, { reservations }: Pick<ReserveResult, "reservations">): void {
  if (reservations.length === 0) return;
  const items = reservations.map(
    (reservation) => ({ reservation, outcome: "release", delayMs: 0, refund: true }) as const,
  );
  finishJobs(store, items, { completed: false, failed: true }).catch(() => undefined);
}

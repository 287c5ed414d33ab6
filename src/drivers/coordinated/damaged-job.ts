/**
 * What lies where a job should and cannot be read as one. It must not hold up the jobs beside it, and it is nobody's to drop: it becomes a job without an
 * envelope whose payload are the bytes, as many as fit. Core parks such a job in failed and tells of it; where no worker sees it (a delay that is over, what a dead process held) the
 * driver does.
 */
import { type Kept, decodeHead, decodeJob } from "./job-value.ts";
import { type Keys, segmentOfReadyBucket, timeOfBucket } from "./keys.ts";

export type Read = Readonly<{ job: Kept; isWhole: boolean }>;

/** What such an id begins with; the key follows. Where the id was in the bytes and can be read, it stays. */
const PREFIX = "damaged:";
/** Nothing tells which it was. Its own keeps one delayed or failed job more in its statistics than it has, and no other queue one less. */
const NO_QUEUE = "unknown";
const NO_BYTES = new Uint8Array(0);

/** `most`: bytes of head and payload that fit into a value beside what a job gains on its way. */
export function readJob(keys: Keys, key: string, bytes: Uint8Array, most: number): Read {
  const job = decodeJob(bytes);
  return job === undefined ? { job: standIn(keys, key, bytes, most), isWhole: false } : { job, isWhole: true };
}

/** The key that an id of a stand-in names. */
export function keyOfDamaged(keys: Keys, id: string): string | undefined {
  const key = id.startsWith(PREFIX) ? id.slice(PREFIX.length) : undefined;
  return key !== undefined && keys.isEntry(key) ? key : undefined;
}

function standIn(keys: Keys, key: string, bytes: Uint8Array, most: number): Kept {
  const head = smaller(decodeHead(bytes), most) ?? {
    ...{ id: `${PREFIX}${key}`, queue: queueOf(keys, key), name: "default", priority: 0, tags: {} },
    ...{ createdAt: 0, availableAt: 0, attempts: 0, losses: 0, exceptions: 0, maxLosses: 1, leaseMs: 0, ttlMs: 0 },
    ...{ reservedAt: undefined, finishedAt: finishedAtOf(keys, key), failure: undefined },
  };
  const payload = bytes.subarray(0, Math.max(0, most - sizeOf(head)));
  return { ...head, envelope: NO_BYTES, payload, result: undefined };
}

type Head = Omit<Kept, "envelope" | "payload" | "result">;

/** The bytes hold the head once more: tags that leave no room for them stay in the bytes only. */
function smaller(head: Head | undefined, most: number): Head | undefined {
  return head === undefined || sizeOf(head) <= most / 2 ? head : { ...head, tags: {}, failure: undefined };
}

function sizeOf(head: Head): number {
  return Buffer.byteLength(JSON.stringify(head));
}

/** About when: buckets of finished jobs begin with their time, and one is not filled for long. So it goes with those beside it when the retention keeps no more. */
function finishedAtOf(keys: Keys, key: string): number | undefined {
  const kind = keys.kindOf(key);
  return kind === "f" || kind === "c" ? timeOfBucket(keys.bucketOf(key)) : undefined;
}

/** Ready jobs lie under the name of their queue, unless it is long. */
function queueOf(keys: Keys, key: string): string {
  if (keys.kindOf(key) !== "r") return NO_QUEUE;
  const segment = segmentOfReadyBucket(keys.bucketOf(key));
  return segment.includes("~") ? NO_QUEUE : decodeURIComponent(segment);
}

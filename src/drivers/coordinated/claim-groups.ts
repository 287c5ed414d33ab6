import type { CoordinationEntry } from "../../contract/index.ts";
import type { Found } from "./gather.ts";
import { encodeJob, type Kept } from "./job-value.ts";
import type { JobStore } from "./job-store.ts";
import type { Life } from "./life.ts";
import { bytesMoved } from "./moves.ts";
import { type Count, firstGroup, type Part } from "./part.ts";
import type { Shelved } from "./shelves.ts";

export type Wanted = Readonly<{ queue: string; max: number; free: number; leaseMs: number }>;

export type Taking = Readonly<{ from: Shelved; job: Kept; key: string; part: Part }>;
/** What one transaction takes. `closing`: the markers of buckets that it empties. */
export type Group = Readonly<{ takings: readonly Taking[]; closing: readonly CoordinationEntry[] }>;

/** A bucket's jobs stay together where one transaction takes them: only then its marker can go with them. */
export function grouped(js: JobStore, life: Life, found: readonly Found[], wanted: Wanted): readonly Group[] {
  const groups: Group[] = [];
  let open: Group = { takings: [], closing: [] };
  for (const piece of found.flatMap((one) => piecesOf(js, life, one, wanted))) {
    const both = {
      takings: [...open.takings, ...piece.takings],
      closing: [...open.closing, ...piece.closing],
    };
    if (open.takings.length === 0 || isInOne(js, both)) open = both;
    else {
      groups.push(open);
      open = piece;
    }
  }
  return [...groups, open];
}

function piecesOf(js: JobStore, life: Life, { jobs, last }: Found, wanted: Wanted): readonly Group[] {
  const takings = jobs.map((from) => takingOf(js, life, from, wanted));
  const whole = { takings, closing: last === undefined ? [] : [last] };
  if (isInOne(js, whole)) return [whole];
  const pieces: Group[] = [];
  for (let left: readonly Taking[] = takings; left.length > 0;) {
    const some = firstGroup(left, ({ part }) => part, js.room);
    pieces.push({ takings: some, closing: [] });
    left = left.slice(some.length);
  }
  return pieces;
}

function isInOne({ room }: JobStore, { takings, closing }: Group): boolean {
  const parts = partsOf({ takings, closing });
  return firstGroup(parts, (part) => part, room).length === parts.length;
}

/** The queue is the one whose bucket it lay in, also where its own bytes cannot tell. */
function takingOf(js: JobStore, life: Life, from: Shelved, { queue, leaseMs }: Wanted): Taking {
  const now = js.clock.now();
  const { ttlMs } = js.timing;
  const attempts = from.job.attempts + 1;
  const job: Kept = { ...from.job, queue, attempts, reservedAt: Math.floor(now), leaseMs, ttlMs };
  const key = life.keyFor(job.id);
  const compares = [{ key: from.key, version: from.version, once: true }];
  const writes = [{ delete: from.key }, { put: key, value: encodeJob(job), once: true, unused: true }];
  const counts: readonly Count[] = [
    { queue, what: "pending", by: -1 },
    { queue, what: "reserved", by: 1 },
    ...bytesMoved(queue, from.key),
  ];
  return { from, job, key, part: { compares, writes, counts } };
}

/** The marker goes with the last jobs of its bucket, unless jobs have come. */
function closed({ key, version }: CoordinationEntry): Part {
  return { compares: [{ key, version }], writes: [{ delete: key }], counts: [] };
}

export function partsOf({ takings, closing }: Group): readonly Part[] {
  return [...takings.map(({ part }) => part), ...closing.map(closed)];
}

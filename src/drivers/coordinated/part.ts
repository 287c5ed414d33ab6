import type { Compare, CoordinationWrite } from "../../contract/index.ts";
import { isNewName } from "../shared/coordination-arguments.ts";
import type { Room } from "./limits.ts";

/** What is counted, in the order in which counters are written. `kept`: completed jobs that are still there. `bytes`: of what waits (`waitingBytes`). */
export const COUNTED = ["pending", "delayed", "reserved", "failed", "completed", "kept", "bytes"] as const;
export type Counted = (typeof COUNTED)[number];
export type Count = Readonly<{ queue: string; what: Counted; by: number }>;

/** One job's share of a transaction. Markers that several parts put are written once, by the last of them. */
export type Part = Readonly<{
  compares: readonly Compare[];
  writes: readonly CoordinationWrite[];
  counts: readonly Count[];
}>;

/** Of a counter's value, its key twice, and the key of the queue's state: of a long name. */
const COUNTER_BYTES = 600;
/** The session, and the state of a queue or the absence of an owner. */
const FIXED_OPERATIONS = 2;

export type Size = Readonly<{ operations: number; bytes: number }>;
type Most = Pick<Room, "operations" | "overwrite" | "transactionBytes">;

/** What parts together need of a transaction. */
class Filling {
  readonly #room: Most;
  readonly #written = new Set<string>();
  readonly #queues = new Set<string>();
  #operations = FIXED_OPERATIONS;
  #bytes = 0;

  constructor(room: Most) {
    this.#room = room;
  }

  /** false when it does not fit beside the others. */
  takes({ compares, writes, counts }: Part): boolean {
    const { overwrite } = this.#room;
    const queues = new Set(counts.map(({ queue }) => queue).filter((queue) => !this.#queues.has(queue)));
    const added = writes.filter((write) => !this.#written.has(keyOf(write)));
    const compared = compares.reduce((sum, compare) => sum + bytesCompared(compare), 0);
    const bytes = writes.reduce((sum, write) => sum + bytesOf(write), compared) + queues.size * COUNTER_BYTES;
    const costs = added.reduce((sum, write) => sum + (isOverwrite(write, compares) ? overwrite : 1), 0);
    const more = compares.length + costs + queues.size * (1 + overwrite);
    const fits = this.#operations + more <= this.#room.operations && this.#bytes + bytes <= this.#room.transactionBytes;
    if (!fits && this.#written.size > 0) return false;
    for (const write of writes) this.#written.add(keyOf(write));
    for (const queue of queues) this.#queues.add(queue);
    this.#operations += more;
    this.#bytes += bytes;
    return true;
  }

  get size(): Size {
    return { operations: this.#operations, bytes: this.#bytes };
  }
}

/** The first of them, as many as one transaction allows, and at least one. */
export function firstGroup<T>(items: readonly T[], partOf: (item: T) => Part, room: Room): readonly T[] {
  const filling = new Filling(room);
  const end = items.findIndex((item) => !filling.takes(partOf(item)));
  return end === -1 ? items : items.slice(0, end);
}

/** What a transaction of these has, counted as `firstGroup` counts. */
export function sizeOf(parts: readonly Part[], overwrite: number): Size {
  const filling = new Filling({ operations: Infinity, overwrite, transactionBytes: Infinity });
  for (const part of parts) filling.takes(part);
  return filling.size;
}

export const keyOf = (write: CoordinationWrite): string => ("put" in write ? write.put : write.delete);

/** Of a put that several parts share the first one decides. */
function isOverwrite(write: CoordinationWrite, compares: readonly Compare[]): boolean {
  if ("delete" in write || isNewName(write)) return false;
  return !compares.some((compare) => "absent" in compare && compare.key === write.put);
}

function bytesCompared(compare: Compare): number {
  return "key" in compare ? compare.key.length : 0;
}

function bytesOf(write: CoordinationWrite): number {
  return "put" in write ? write.put.length + write.value.length : write.delete.length;
}

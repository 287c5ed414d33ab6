import type { Compare, CoordinationWrite } from "../../contract/index.ts";
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

/** Of a counter's value. */
const COUNTER_BYTES = 300;
/** The session, and the state of a queue or the absence of an owner. */
const FIXED_OPERATIONS = 2;

export type Size = Readonly<{ operations: number; bytes: number }>;
type Most = Pick<Room, "operations" | "transactionBytes">;

/** What parts together need of a transaction. */
class Filling {
  readonly #room: Most;
  readonly #written = new Map<string, number>();
  readonly #queues = new Set<string>();
  #compares = 0;
  #bytes = 0;

  constructor(room: Most) {
    this.#room = room;
  }

  /** false when it does not fit beside the others. */
  takes({ compares, writes, counts }: Part): boolean {
    const queues = new Set(counts.map(({ queue }) => queue).filter((queue) => !this.#queues.has(queue)));
    const added = writes.filter((write) => !this.#written.has(keyOf(write)));
    const bytes = writes.reduce((sum, write) => sum + bytesOf(write), 0) + queues.size * COUNTER_BYTES;
    const { operations } = this.size;
    const more = compares.length + added.length + 2 * queues.size;
    const fits = operations + more <= this.#room.operations && this.#bytes + bytes <= this.#room.transactionBytes;
    if (!fits && this.#written.size > 0) return false;
    for (const write of writes) this.#written.set(keyOf(write), 0);
    for (const queue of queues) this.#queues.add(queue);
    this.#compares += compares.length;
    this.#bytes += bytes;
    return true;
  }

  get size(): Size {
    const counters = 2 * this.#queues.size;
    return { operations: FIXED_OPERATIONS + this.#compares + this.#written.size + counters, bytes: this.#bytes };
  }
}

/** The first of them, as many as one transaction allows, and at least one. */
export function firstGroup<T>(items: readonly T[], partOf: (item: T) => Part, room: Room): readonly T[] {
  const filling = new Filling(room);
  const end = items.findIndex((item) => !filling.takes(partOf(item)));
  return end === -1 ? items : items.slice(0, end);
}

/** What a transaction of these has, counted as `firstGroup` counts. */
export function sizeOf(parts: readonly Part[]): Size {
  const filling = new Filling({ operations: Infinity, transactionBytes: Infinity });
  for (const part of parts) filling.takes(part);
  return filling.size;
}

export const keyOf = (write: CoordinationWrite): string => ("put" in write ? write.put : write.delete);

function bytesOf(write: CoordinationWrite): number {
  return "put" in write ? write.put.length + write.value.length : write.delete.length;
}

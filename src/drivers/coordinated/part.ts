import type { Compare, CoordinationWrite } from "../../contract/index.ts";
import type { Room } from "./limits.ts";

/** What is counted, in the order in which counters are written. `kept`: completed jobs that are still there. */
export const COUNTED = ["pending", "delayed", "reserved", "failed", "completed", "kept"] as const;
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

/** What parts together need of a transaction. */
class Filling {
  readonly #room: Room;
  readonly #written = new Map<string, number>();
  readonly #queues = new Set<string>();
  #compares = 0;
  #bytes = 0;

  constructor(room: Room) {
    this.#room = room;
  }

  /** false when it does not fit beside the others. */
  takes({ compares, writes, counts }: Part): boolean {
    const queues = new Set(counts.map(({ queue }) => queue).filter((queue) => !this.#queues.has(queue)));
    const added = writes.filter((write) => !this.#written.has(keyOf(write)));
    const bytes = writes.reduce((sum, write) => sum + bytesOf(write), 0) + queues.size * COUNTER_BYTES;
    const operations = FIXED_OPERATIONS + this.#compares + compares.length + this.#written.size + added.length;
    const counters = 2 * (this.#queues.size + queues.size);
    const fits = operations + counters <= this.#room.operations && this.#bytes + bytes <= this.#room.transactionBytes;
    if (!fits && this.#written.size > 0) return false;
    for (const write of writes) this.#written.set(keyOf(write), 0);
    for (const queue of queues) this.#queues.add(queue);
    this.#compares += compares.length;
    this.#bytes += bytes;
    return true;
  }
}

/** In order, each group as large as one transaction allows. */
export function grouped<T>(items: readonly T[], partOf: (item: T) => Part, room: Room): readonly (readonly T[])[] {
  const groups: T[][] = [];
  let [filling, group]: [Filling, T[]] = [new Filling(room), []];
  for (const item of items) {
    const part = partOf(item);
    if (!filling.takes(part)) {
      groups.push(group);
      [filling, group] = [new Filling(room), []];
      filling.takes(part);
    }
    group.push(item);
  }
  if (group.length > 0) groups.push(group);
  return groups;
}

export const keyOf = (write: CoordinationWrite): string => ("put" in write ? write.put : write.delete);

function bytesOf(write: CoordinationWrite): number {
  return "put" in write ? write.put.length + write.value.length : write.delete.length;
}

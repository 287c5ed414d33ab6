import type { Slot } from "./slot.ts";

/** What `Slot.heapAt` says of a place in the line: below every place in a heap and below -1, "nowhere". Its own inverse. */
const markOf = (place: number): number => -2 - place;

/**
 * Reserved jobs in the order in which their leases end. Leases of one length end in the order in which they begin: first in, first out, and O(1)
 * where a heap took a third of what a job costs. A lease that would have to stand further in front is refused here and belongs into the heap.
 * One that leaves from the middle leaves a gap behind.
 */
export class LeaseLine {
  #slots: (Slot | undefined)[] = [];
  #head = 0;
  /** Places that were cut off at the front so far. */
  #cut = 0;
  /** Of the newest entry, whether it is still here or not: nothing here ends later. */
  #lastDueAt = 0;
  #lastOrder = 0;
  size = 0;

  /** Places, gaps included. */
  get length(): number {
    return this.#slots.length;
  }

  static has(slot: Slot): boolean {
    return slot.heapAt < -1;
  }

  /** false when it would not be the last to end. */
  add(slot: Slot, dueAt: number): boolean {
    const { order } = slot;
    if (this.size === 0) this.#restart();
    else if (dueAt < this.#lastDueAt || (dueAt === this.#lastDueAt && order < this.#lastOrder)) return false;
    [this.#lastDueAt, this.#lastOrder] = [dueAt, order];
    slot.dueAt = dueAt;
    slot.heapAt = markOf(this.#cut + this.#slots.push(slot) - 1);
    this.size += 1;
    return true;
  }

  remove(slot: Slot): void {
    this.#slots[markOf(slot.heapAt) - this.#cut] = undefined;
    slot.heapAt = -1;
    this.size -= 1;
    while (this.#head < this.#slots.length && this.#slots[this.#head] === undefined) this.#head += 1;
    if (this.#head > 1_024 && this.#head * 2 > this.#slots.length) this.#cutFront();
    else if (this.#slots.length - this.#head > 2 * this.size + 1_024) this.#closeGaps();
  }

  peek(): Slot | undefined {
    return this.#slots[this.#head];
  }

  #cutFront(): void {
    this.#slots = this.#slots.slice(this.#head);
    this.#cut += this.#head;
    this.#head = 0;
  }

  #closeGaps(): void {
    const slots = this.#slots;
    this.#restart();
    for (const slot of slots) if (slot !== undefined) slot.heapAt = markOf(this.#slots.push(slot) - 1);
  }

  #restart(): void {
    if (this.#slots.length > 0) this.#slots = [];
    [this.#head, this.#cut] = [0, 0];
  }
}

import type { Slot } from "./slot.ts";

export const isDueBefore = (a: Slot, b: Slot): boolean =>
  a.dueAt < b.dueAt || (a.dueAt === b.dueAt && a.order < b.order);

/**
 * Jobs by the time that something becomes due for them; at the same time those that were pushed first come first, because a heap alone keeps
 * no order among equals. Each knows its place, so any of them leaves in O(log n).
 */
export class DueHeap {
  readonly #slots: Slot[] = [];

  get size(): number {
    return this.#slots.length;
  }

  /** Milliseconds; Infinity when empty. */
  get nextAt(): number {
    return this.#slots[0]?.dueAt ?? Infinity;
  }

  peek(): Slot | undefined {
    return this.#slots[0];
  }

  add(slot: Slot, dueAt: number): void {
    slot.dueAt = dueAt;
    this.#slots.push(slot);
    this.#rise(slot, this.#slots.length - 1);
  }

  remove(slot: Slot): void {
    const at = slot.heapAt;
    slot.heapAt = -1;
    const last = this.#slots.pop();
    if (last === undefined || last === slot) return;
    this.#place(last, at);
  }

  values(): readonly Slot[] {
    return this.#slots;
  }

  #place(slot: Slot, at: number): void {
    const above = this.#slots[(at - 1) >> 1];
    if (at > 0 && above !== undefined && isDueBefore(slot, above)) this.#rise(slot, at);
    else this.#sink(slot, at);
  }

  #rise(slot: Slot, from: number): void {
    const slots = this.#slots;
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = slots[parent];
      if (above === undefined || !isDueBefore(slot, above)) break;
      slots[at] = above;
      above.heapAt = at;
      at = parent;
    }
    slots[at] = slot;
    slot.heapAt = at;
  }

  #sink(slot: Slot, from: number): void {
    const slots = this.#slots;
    let at = from;
    for (;;) {
      let child = 2 * at + 1;
      const right = slots[child + 1];
      const left = slots[child];
      if (left === undefined) break;
      if (right !== undefined && isDueBefore(right, left)) child += 1;
      const below = slots[child];
      if (below === undefined || !isDueBefore(below, slot)) break;
      slots[at] = below;
      below.heapAt = at;
      at = child;
    }
    slots[at] = slot;
    slot.heapAt = at;
  }
}

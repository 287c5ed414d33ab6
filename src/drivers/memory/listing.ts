import type { Slot } from "./slot.ts";

/**
 * Jobs in the order in which they entered. Leaving marks nothing here: an entry counts while its order number is the slot's own, and the
 * rest is swept out when it prevails. A page is found by binary search. Two arrays of numbers and references: 16 bytes a job.
 */
export class Listing {
  readonly #counter: { value: number };
  #slots: (Slot | undefined)[] = [];
  #orders: number[] = [];
  /** Where the first entry that counts may be: jobs mostly leave from the front. */
  #head = 0;
  size = 0;

  /** `counter` is shared by all listings of a driver, so that an order number is never used twice. */
  constructor(counter: { value: number }) {
    this.#counter = counter;
  }

  enter(slot: Slot): void {
    this.#counter.value += 1;
    slot.order = this.#counter.value;
    this.#slots.push(slot);
    this.#orders.push(slot.order);
    this.size += 1;
  }

  leave(slot: Slot): void {
    slot.order = 0;
    this.size -= 1;
    // Jobs mostly leave in the order in which they came: then this is all there is to do.
    for (
      ;
      this.#head < this.#slots.length && this.#slots[this.#head]?.order !== this.#orders[this.#head];
      this.#head += 1
    )
      this.#slots[this.#head] = undefined; // or its payload would stay
    if (this.#head > 1_024 && this.#head * 2 > this.#slots.length) this.#cutFront();
    const left = this.#slots.length - this.#head;
    if (left > 1_024 && left > 2 * this.size) this.#sweep();
  }

  /** Looks at no job: those that still wait are not in the processor's cache, and to fetch each would cost more than all the rest. */
  #cutFront(): void {
    this.#slots = this.#slots.slice(this.#head);
    this.#orders = this.#orders.slice(this.#head);
    this.#head = 0;
  }

  #sweep(): void {
    const slots: Slot[] = [];
    const orders: number[] = [];
    for (let i = this.#head; i < this.#slots.length; i += 1) {
      const slot = this.#slots[i];
      const order = this.#orders[i];
      if (slot === undefined || order === undefined || slot.order !== order) continue;
      slots.push(slot);
      orders.push(order);
    }
    this.#slots = slots;
    this.#orders = orders;
    this.#head = 0;
  }

  first(): Slot | undefined {
    for (; this.#head < this.#slots.length; this.#head += 1) {
      const slot = this.#slots[this.#head];
      if (slot !== undefined && slot.order === this.#orders[this.#head]) return slot;
    }
    return undefined;
  }

  /** Those that entered after the entry of that order number. */
  *after(order: number): Iterable<Slot> {
    let [low, high] = [this.#head, this.#orders.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#orders[middle] ?? Infinity) <= order) low = middle + 1;
      else high = middle;
    }
    for (let i = low; i < this.#slots.length; i += 1) {
      const slot = this.#slots[i];
      if (slot !== undefined && slot.order === this.#orders[i]) yield slot;
    }
  }
}

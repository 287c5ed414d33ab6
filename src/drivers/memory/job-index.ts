import type { PushItem } from "../../contract/index.ts";
import { sequenceOfId } from "../../runtime/index.ts";
import type { Slot } from "./slot.ts";

const BITS = 10;
const MASK = (1 << BITS) - 1;

type Segment = { readonly slots: (Slot | undefined)[]; used: number };

/**
 * Jobs by id. An id made in this process is a number: it is found in segments of 1,024 places, and its text is never built.
 * Only ids given by users cost a map entry.
 */
export class JobIndex {
  readonly #segments = new Map<number, Segment>();
  readonly #named = new Map<string, Slot>();

  #sequenceOf(item: PushItem): number | undefined {
    return item.sequence ?? sequenceOfId(item.id);
  }

  has(item: PushItem): boolean {
    const sequence = this.#sequenceOf(item);
    if (sequence === undefined) return this.#named.has(item.id);
    return this.#segments.get(Math.floor(sequence / (MASK + 1)))?.slots[sequence & MASK] !== undefined;
  }

  get(id: string): Slot | undefined {
    const sequence = sequenceOfId(id);
    if (sequence === undefined) return this.#named.get(id);
    return this.#segments.get(Math.floor(sequence / (MASK + 1)))?.slots[sequence & MASK];
  }

  add(slot: Slot): void {
    const sequence = this.#sequenceOf(slot.item);
    if (sequence === undefined) {
      this.#named.set(slot.item.id, slot);
      return;
    }
    const number = Math.floor(sequence / (MASK + 1));
    let segment = this.#segments.get(number);
    if (segment === undefined) {
      segment = { slots: Array.from<Slot | undefined>({ length: MASK + 1 }), used: 0 };
      this.#segments.set(number, segment);
    }
    segment.slots[sequence & MASK] = slot;
    segment.used += 1;
  }

  remove(slot: Slot): void {
    const sequence = this.#sequenceOf(slot.item);
    if (sequence === undefined) {
      this.#named.delete(slot.item.id);
      return;
    }
    const number = Math.floor(sequence / (MASK + 1));
    const segment = this.#segments.get(number);
    if (segment === undefined) return;
    segment.slots[sequence & MASK] = undefined;
    segment.used -= 1;
    if (segment.used === 0) this.#segments.delete(number);
  }
}

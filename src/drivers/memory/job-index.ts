import type { PushItem } from "../../contract/index.ts";
import { sequenceOfId } from "../../runtime/index.ts";
import type { Slot } from "./slot.ts";

/** Small, because a segment stays as long as one of its jobs does: a lone kept job holds half a kilobyte. */
const BITS = 6;
const MASK = (1 << BITS) - 1;

type Segment = { readonly slots: (Slot | undefined)[]; used: number };

/**
 * Jobs by id. An id made in this process is a number: it is found in segments of 64 places, and its text is never built.
 * Only ids given by users cost a map entry.
 */
export class JobIndex {
  readonly #segments = new Map<number, Segment>();
  readonly #named = new Map<string, Slot>();
  /** The segment that the next ids fall into stays, also empty: a queue that is emptied after every job would make it anew for each. */
  #newest = -1;

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
    const segment = this.#segment(Math.floor(sequence / (MASK + 1)));
    segment.slots[sequence & MASK] = slot;
    segment.used += 1;
  }

  #segment(number: number): Segment {
    const found = this.#segments.get(number);
    if (found !== undefined) return found;
    const segment: Segment = { slots: Array<Slot | undefined>(MASK + 1).fill(undefined), used: 0 };
    this.#segments.set(number, segment);
    if (number <= this.#newest) return segment;
    if (this.#segments.get(this.#newest)?.used === 0) this.#segments.delete(this.#newest);
    this.#newest = number;
    return segment;
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
    if (segment.used === 0 && number !== this.#newest) this.#segments.delete(number);
  }
}

/** What the line must know of a job. */
export type Lined = Readonly<{ item: Readonly<{ priority: number }>; state: string; availableAt: number }>;

/** First in, first out, of one priority. Taken entries are cut off in bulk, so that taking is O(1) amortised. */
class Bucket<T extends Lined> {
  readonly priority: number;
  #slots: (T | undefined)[] = [];
  #head = 0;

  constructor(priority: number) {
    this.priority = priority;
  }

  push(slot: T): void {
    this.#slots.push(slot);
  }

  /** The first job that still waits; those removed meanwhile are dropped on the way. */
  peek(): T | undefined {
    for (; this.#head < this.#slots.length; this.#head += 1) {
      const slot = this.#slots[this.#head];
      if (slot?.state === "pending") return slot;
      this.#slots[this.#head] = undefined;
    }
    if (this.#head > 0) [this.#slots, this.#head] = [[], 0];
    return undefined;
  }

  skip(): void {
    this.#slots[this.#head] = undefined;
    this.#head += 1;
    if (this.#head >= 1_024 && this.#head * 2 >= this.#slots.length) {
      this.#slots = this.#slots.slice(this.#head);
      this.#head = 0;
    }
  }

  compact(): void {
    this.#slots = this.#slots.slice(this.#head).filter((slot) => slot?.state === "pending");
    this.#head = 0;
  }

  *waiting(): Iterable<T> {
    for (let i = this.#head; i < this.#slots.length; i += 1) {
      const slot = this.#slots[i];
      if (slot?.state === "pending") yield slot;
    }
  }
}

/**
 * What is pending in one queue: highest priority first, first come first served inside one. A bucket a priority, the non-empty ones in a
 * binary heap: O(log p) for a new priority, O(1) otherwise.
 */
export class ReadyLine<T extends Lined> {
  readonly #buckets = new Map<number, Bucket<T>>();
  #heap: Bucket<T>[] = [];
  #removed = 0;
  /** How many wait, without those that were removed from the middle. */
  count = 0;

  push(slot: T): void {
    const { priority } = slot.item;
    let bucket = this.#buckets.get(priority);
    if (bucket === undefined) {
      bucket = new Bucket<T>(priority);
      this.#buckets.set(priority, bucket);
      this.#rise(bucket);
    }
    bucket.push(slot);
    this.count += 1;
  }

  peek(): T | undefined {
    for (;;) {
      const [top] = this.#heap;
      if (top === undefined) return undefined;
      const slot = top.peek();
      if (slot !== undefined) return slot;
      this.#buckets.delete(top.priority);
      this.#sink();
    }
  }

  /** Takes what `peek` showed. */
  take(): void {
    this.#heap[0]?.skip();
    this.count -= 1;
  }

  /** A job in the middle was taken out by a change of its state: its entry is dropped when it comes to the head, or when such entries prevail. */
  removed(): void {
    this.count -= 1;
    this.#removed += 1;
    if (this.#removed < 1_024 || this.#removed < this.count) return;
    this.#removed = 0;
    for (const bucket of this.#heap) bucket.compact();
  }

  *waiting(): Iterable<T> {
    for (const bucket of this.#heap) yield* bucket.waiting();
  }

  /** The heads of all priorities, the oldest of which waits longest. */
  oldest(): number | undefined {
    let oldest: number | undefined;
    for (const bucket of this.#heap) {
      const at = bucket.peek()?.availableAt;
      if (at !== undefined && (oldest === undefined || at < oldest)) oldest = at;
    }
    return oldest;
  }

  clear(): void {
    this.#buckets.clear();
    this.#heap = [];
    this.count = 0;
    this.#removed = 0;
  }

  #rise(bucket: Bucket<T>): void {
    const heap = this.#heap;
    let at = heap.push(bucket) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || above.priority >= bucket.priority) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = bucket;
  }

  #sink(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      const right = heap[child + 1];
      if (right !== undefined && right.priority > (heap[child]?.priority ?? -Infinity)) child += 1;
      const below = heap[child];
      if (below === undefined || below.priority <= last.priority) break;
      heap[at] = below;
      at = child;
    }
    heap[at] = last;
  }
}

import type { Attempt } from "./attempt.ts";

/** Attempts that were fetched ahead, in the order in which they start. */
export class Buffer {
  #attempts: (Attempt | undefined)[] = [];
  #head = 0;

  get size(): number {
    return this.#attempts.length - this.#head;
  }

  put(attempt: Attempt): void {
    this.#attempts.push(attempt);
  }

  putFirst(attempts: readonly Attempt[]): void {
    this.#attempts = [...attempts, ...this.all()];
    this.#head = 0;
  }

  #take(): Attempt | undefined {
    const attempt = this.#attempts[this.#head];
    this.#attempts[this.#head] = undefined;
    this.#head += 1;
    if (this.#head >= this.#attempts.length) {
      this.#attempts = [];
      this.#head = 0;
    }
    return attempt;
  }

  /** The first that `fits`; nearly always the very first. */
  takeFirst(fits: (attempt: Attempt) => boolean): Attempt | undefined {
    const first = this.#attempts[this.#head];
    if (first !== undefined && fits(first)) return this.#take();
    const found = this.all().find(fits);
    if (found !== undefined) this.takeWhere((attempt) => attempt === found);
    return found;
  }

  all(): readonly Attempt[] {
    return this.#attempts.slice(this.#head).filter((attempt) => attempt !== undefined);
  }

  takeWhere(which: (attempt: Attempt) => boolean): readonly Attempt[] {
    if (this.size === 0) return [];
    const taken: Attempt[] = [];
    const left: Attempt[] = [];
    for (const attempt of this.all()) (which(attempt) ? taken : left).push(attempt);
    this.#attempts = left;
    this.#head = 0;
    return taken;
  }
}

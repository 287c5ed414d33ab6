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

  putFirst(attempt: Attempt): void {
    this.#attempts = [attempt, ...this.all()];
    this.#head = 0;
  }

  take(): Attempt | undefined {
    const attempt = this.#attempts[this.#head];
    this.#attempts[this.#head] = undefined;
    this.#head += 1;
    if (this.#head >= this.#attempts.length) {
      this.#attempts = [];
      this.#head = 0;
    }
    return attempt;
  }

  all(): readonly Attempt[] {
    return this.#attempts.slice(this.#head).filter((attempt) => attempt !== undefined);
  }

  takeWhere(which: (attempt: Attempt) => boolean): readonly Attempt[] {
    const all = this.all();
    this.#attempts = all.filter((attempt) => !which(attempt));
    this.#head = 0;
    return all.filter(which);
  }
}

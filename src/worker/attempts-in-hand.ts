import type { Attempt } from "./attempt.ts";

/** All attempts that this process holds leases on, running or fetched ahead. O(1) in and out: the last takes the place of who leaves. */
export class AttemptsInHand {
  readonly #attempts: Attempt[] = [];

  get size(): number {
    return this.#attempts.length;
  }

  add(attempt: Attempt): void {
    attempt.place = this.#attempts.push(attempt) - 1;
  }

  remove(attempt: Attempt): void {
    const { place } = attempt;
    if (place < 0) return;
    attempt.place = -1;
    const last = this.#attempts.pop();
    if (last === undefined || last === attempt) return;
    this.#attempts[place] = last;
    last.place = place;
  }

  all(): readonly Attempt[] {
    return this.#attempts;
  }
}

import { Deferred } from "../runtime/index.ts";

/** Lets somebody wait until something holds that changes elsewhere. */
export class Conditions {
  #waiting: readonly Readonly<{ holds: () => boolean; met: Deferred }>[] = [];

  /** Resolves when `condition` holds; it is asked now and after each change. */
  when(condition: () => boolean): Promise<void> {
    if (condition()) return Promise.resolve();
    const met = new Deferred();
    this.#waiting = [...this.#waiting, { holds: condition, met }];
    return met.promise;
  }

  changed(): void {
    if (this.#waiting.length === 0) return;
    const met = this.#waiting.filter(({ holds }) => holds());
    this.#waiting = this.#waiting.filter((one) => !met.includes(one));
    for (const one of met) one.met.resolve();
  }
}

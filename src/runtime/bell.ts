import { Deferred } from "./deferred.ts";

/** Wakes one loop. What rings while nobody waits is remembered, once. */
export class Bell {
  #rung = false;
  #waiting: Deferred | undefined;

  readonly ring = (): void => {
    this.#rung = true;
    this.#waiting?.resolve();
  };

  async wait(): Promise<void> {
    if (!this.#rung) {
      this.#waiting ??= new Deferred();
      await this.#waiting.promise;
    }
    this.#waiting = undefined;
    this.#rung = false;
  }
}

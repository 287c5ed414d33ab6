import type { FinishItem, FinishResult } from "../contract/index.ts";
import type { Engine, Finish, Lease } from "../core/index.ts";

/** An attempt's end, and whom to tell when the store has answered. `Finish` is part of it, so that no second object is needed. */
export interface Letter extends Finish {
  readonly item: FinishItem;
  readonly lease: Lease;
  settled(result: FinishResult): void;
}

/**
 * Finishes attempts in batches: those that end in one turn of the event loop go together, one batch at a time is under way, and the
 * rest waits. The runner fetches no more while too many are unconfirmed.
 */
export class Outbox {
  readonly #engine: Engine;
  readonly #onIdle: () => void;
  readonly #onError: (error: unknown) => void;
  #letters: Letter[] = [];
  #flying = 0;
  #scheduled = false;

  constructor(engine: Engine, onIdle: () => void, onError: (error: unknown) => void) {
    this.#engine = engine;
    this.#onIdle = onIdle;
    this.#onError = onError;
  }

  /** Ends that the store has not confirmed yet. */
  get unconfirmed(): number {
    return this.#letters.length + this.#flying;
  }

  send(letter: Letter): void {
    this.#letters.push(letter);
    if (this.#scheduled || this.#flying > 0) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#flying > 0 || this.#letters.length === 0) return;
    const letters = this.#letters;
    this.#letters = [];
    this.#flying = letters.length;
    this.#engine.finish(letters).then(
      (results) => this.#landed(letters, results),
      (error: unknown) => {
        this.#landed(letters, []);
        this.#onError(error);
      },
    );
  }

  #landed(letters: readonly Letter[], results: readonly FinishResult[]): void {
    this.#flying = 0;
    this.#flush();
    for (const [i, letter] of letters.entries()) letter.settled(results[i] ?? "unknown");
    this.#onIdle();
  }
}

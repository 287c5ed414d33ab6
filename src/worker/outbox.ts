import type { FinishResult } from "../contract/index.ts";
import type { Engine, Finish } from "../core/index.ts";

/** An attempt's end, and whom to tell when the store has answered. `Finish` is part of it, so that no second object is needed. */
export interface Letter extends Finish {
  settled(result: FinishResult): void;
}

/**
 * Sends the ends of attempts in batches, one at a time: those of one turn go together, and what comes while a batch is under way waits for
 * the next. Each is told its own answer at once, though others of its batch may be repeated until their leases end. Bounded: while it is `full` the
 * runner fetches nothing.
 */
export class Outbox {
  readonly #engine: Engine;
  readonly #limit: number;
  readonly #onRoom: () => void;
  readonly #onError: (error: unknown) => void;
  #letters: Letter[] = [];
  #flying = false;
  /** Ends that the store has not confirmed yet. */
  unconfirmed = 0;

  /** `onRoom` is called when it is no longer full, and when it is empty. */
  constructor(engine: Engine, limit: number, onRoom: () => void, onError: (error: unknown) => void) {
    this.#engine = engine;
    this.#limit = limit;
    this.#onRoom = onRoom;
    this.#onError = onError;
  }

  get full(): boolean {
    return this.unconfirmed >= this.#limit;
  }

  send(letter: Letter): void {
    this.unconfirmed += 1;
    if (this.#letters.push(letter) === 1 && !this.#flying) queueMicrotask(this.#flush);
  }

  readonly #flush = (): void => {
    const letters = this.#letters;
    this.#letters = [];
    this.#flying = true;
    this.#engine.finishEach(letters, this.#told).then(this.#landed, (error: unknown) => {
      this.#landed();
      this.#onError(error);
    });
  };

  readonly #landed = (): void => {
    this.#flying = false;
    if (this.#letters.length > 0) this.#flush();
  };

  readonly #told = (letter: Letter, result: FinishResult): void => {
    this.unconfirmed -= 1;
    try {
      letter.settled(result);
    } finally {
      this.#tellRoom();
    }
  };

  #tellRoom(): void {
    if (this.unconfirmed === 0 || this.unconfirmed === this.#limit - 1) this.#onRoom();
  }
}

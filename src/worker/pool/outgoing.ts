/** Collects the notes of one turn, so that a message carries many. */
export class Outgoing<N> {
  readonly #send: (notes: readonly N[]) => void;
  readonly #schedule: (flush: () => void) => void;
  readonly #flush = (): void => this.flush();
  #notes: N[] = [];

  constructor(send: (notes: readonly N[]) => void, schedule: (flush: () => void) => void) {
    this.#send = send;
    this.#schedule = schedule;
  }

  add(note: N): void {
    if (this.#notes.push(note) === 1) this.#schedule(this.#flush);
  }

  /** Now, instead of at the end of the turn. */
  flush(): void {
    const notes = this.#notes;
    if (notes.length === 0) return;
    this.#notes = [];
    this.#send(notes);
  }
}

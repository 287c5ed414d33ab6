/**
 * Which delivery tags of a channel are settled, in unbroken runs: a job that runs for hours leaves all later ones behind it, of which there may
 * be millions. There are never more runs than messages that are held, and one.
 */
export class SettledTags {
  /** Every delivery up to this tag is settled. Tags count from 1 in each channel. */
  line = 0;
  /** The runs beyond the line, by either end. */
  readonly #lastByFirst = new Map<number, number>();
  readonly #firstByLast = new Map<number, number>();

  get runs(): number {
    return this.#lastByFirst.size;
  }

  /** Each tag once. */
  add(tag: number): void {
    const first = this.#firstByLast.get(tag - 1) ?? tag;
    const last = this.#lastByFirst.get(tag + 1) ?? tag;
    this.#firstByLast.delete(tag - 1);
    this.#lastByFirst.delete(tag + 1);
    this.#lastByFirst.set(first, last);
    this.#firstByLast.set(last, first);
  }

  /** Moves the line to the end of the run that begins behind it. */
  advance(): void {
    const first = this.line + 1;
    const last = this.#lastByFirst.get(first);
    if (last === undefined) return;
    this.#lastByFirst.delete(first);
    this.#firstByLast.delete(last);
    this.line = last;
  }
}

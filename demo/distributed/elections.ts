export type Elected = Readonly<{ nodeId: string; term: string }>;

/** Who was elected, in the order in which it was told. */
export class Elections {
  current: Elected | undefined;
  #waiting: ((found: Elected) => void) | undefined;

  add(nodeId: string, term: string): void {
    if (this.current !== undefined && BigInt(term) <= BigInt(this.current.term)) return;
    this.current = { nodeId, term };
    this.#waiting?.(this.current);
    this.#waiting = undefined;
  }

  next(): Promise<Elected> {
    return new Promise((resolve) => (this.#waiting = resolve));
  }
}

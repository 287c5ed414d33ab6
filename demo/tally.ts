/** Counts jobs as they end, and notices when none does any more. */
export class Tally {
  readonly total: number;
  readonly allEnded: Promise<void>;
  readonly #end: () => void;
  readonly #ended = new Set<string>();
  readonly #twice: string[] = [];
  readonly #stalled: NodeJS.Timeout;
  failed = 0;
  bytes = 0;

  constructor(total: number, stalledAfterMs: number) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.total = total;
    this.allEnded = promise;
    this.#end = resolve;
    this.#stalled = setTimeout(() => this.giveUp(), stalledAfterMs);
  }

  get ended(): number {
    return this.#ended.size;
  }

  /** Jobs that ended more than once. */
  get twice(): readonly string[] {
    return this.#twice;
  }

  completed(id: string, bytes: number): void {
    this.bytes += bytes;
    this.#endedOne(id);
  }

  dead(id: string): void {
    this.failed += 1;
    this.#endedOne(id);
  }

  giveUp(): void {
    clearTimeout(this.#stalled);
    this.#end();
  }

  #endedOne(id: string): void {
    if (this.#ended.has(id)) this.#twice.push(id);
    this.#ended.add(id);
    this.#stalled.refresh();
    if (this.#ended.size >= this.total) this.giveUp();
  }
}

import { afterMicrotasks, Deferred } from "../runtime/index.ts";

/** `gather`: after an answer the next flush waits until those who were answered have had their turn. */
export type LaneLimits = Readonly<{ items: number; bytes: number; gather?: boolean | undefined }>;

/** Items of one call, answered together. */
type Call<I, R> = {
  readonly items: readonly I[];
  readonly bytes: number;
  readonly answered: Deferred<readonly R[]>;
  sent: boolean;
  withdrawn: boolean;
};

/** Below so many, withdrawn calls are not worth a sweep. */
const FEW = 64;

/**
 * Coalesces calls into batches: a flush starts at once when none is in flight and takes everything queued meanwhile, within the driver's
 * limits. One flush at a time keeps first in, first out. A call larger than the limits goes alone; its caller cuts it.
 *
 * Without `gather` a hundred callers that each push again when they are answered go as one and ninety-nine, again and again: the one that came first
 * flies alone, and the others wait for it. Half of the round trips then carry a single item. It needs a store that answers from outside of the
 * process: while promises go on among themselves nothing would fly.
 */
export class Lane<I, R> {
  readonly #send: (items: readonly I[]) => Promise<readonly R[]>;
  readonly #limits: LaneLimits;
  #queued: Call<I, R>[] = [];
  #withdrawn = 0;
  #flying = false;
  #drained: Deferred | undefined;

  constructor(send: (items: readonly I[]) => Promise<readonly R[]>, limits: LaneLimits) {
    this.#send = send;
    this.#limits = limits;
  }

  get idle(): boolean {
    return !this.#flying && this.#queued.length === 0;
  }

  /** Resolves when nothing is queued or in flight. */
  drained(): Promise<void> {
    if (this.idle) return Promise.resolve();
    this.#drained ??= new Deferred();
    return this.#drained.promise;
  }

  /** Rejects with what `send` threw. `withdraw` takes the call out while it is not sent; afterwards its fate is unknown to the caller. */
  add(items: readonly I[], bytes: number): Readonly<{ answer: Promise<readonly R[]>; withdraw: () => boolean }> {
    const call: Call<I, R> = { items, bytes, answered: new Deferred(), sent: false, withdrawn: false };
    this.#queued.push(call);
    if (!this.#flying) this.#fly();
    return { answer: call.answered.promise, withdraw: () => this.#withdraw(call) };
  }

  #withdraw(call: Call<I, R>): boolean {
    if (call.sent || call.withdrawn) return false;
    call.withdrawn = true;
    this.#withdrawn += 1;
    // Only when they prevail: thousands may end together, and while a store hangs nothing is taken.
    if (this.#withdrawn > FEW && this.#withdrawn * 2 > this.#queued.length) this.#sweep();
    return true;
  }

  #sweep(): void {
    this.#queued = this.#queued.filter((call) => !call.withdrawn);
    this.#withdrawn = 0;
  }

  #take(): readonly Call<I, R>[] {
    let [items, bytes, calls] = [0, 0, 0];
    for (const call of this.#queued) {
      const fits = items + call.items.length <= this.#limits.items && bytes + call.bytes <= this.#limits.bytes;
      if (calls > 0 && !fits) break;
      items += call.items.length;
      bytes += call.bytes;
      calls += 1;
      call.sent = true;
    }
    if (calls === this.#queued.length) {
      const all = this.#queued;
      this.#queued = [];
      return all;
    }
    return this.#queued.splice(0, calls);
  }

  #fly(): void {
    const calls = this.#take();
    const [only] = calls;
    if (only === undefined) return;
    this.#flying = true;
    const items = calls.length === 1 ? only.items : calls.flatMap((call) => call.items);
    this.#send(items).then(
      (results) => this.#land(calls, results),
      (error: unknown) => this.#crash(calls, error),
    );
  }

  #next(): void {
    if (this.#limits.gather === true) afterMicrotasks(this.#goOn);
    else this.#goOn();
  }

  readonly #goOn = (): void => {
    this.#flying = false;
    if (this.#withdrawn > 0) this.#sweep();
    if (this.#queued.length > 0) return this.#fly();
    this.#drained?.resolve();
    this.#drained = undefined;
  };

  #land(calls: readonly Call<I, R>[], results: readonly R[]): void {
    this.#next();
    if (calls.length === 1) return calls[0]?.answered.resolve(results);
    let from = 0;
    for (const call of calls) {
      const to = from + call.items.length;
      call.answered.resolve(results.slice(from, to));
      from = to;
    }
  }

  #crash(calls: readonly Call<I, R>[], error: unknown): void {
    for (const call of calls) call.answered.reject(error);
    this.#next();
  }
}

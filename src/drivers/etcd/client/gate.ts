import { Deferred } from "../../../runtime/index.ts";
import { TooMuchAtOnce } from "./failures.ts";

/** Lets so many calls through at once; the others stand in a line that is bounded in number and bytes. */
export class Gate {
  readonly #open: number;
  readonly #maxWaiting: number;
  readonly #maxBytes: number;
  readonly #line: Deferred[] = [];
  #inside = 0;
  #bytes = 0;

  constructor(open: number, maxWaiting: number, maxBytes: number) {
    this.#open = open;
    this.#maxWaiting = maxWaiting;
    this.#maxBytes = maxBytes;
  }

  /** @throws TooMuchAtOnce; what the call throws. */
  async through<T>(bytes: number, call: () => Promise<T>): Promise<T> {
    if (this.#inside < this.#open) this.#inside += 1;
    else await this.#wait(bytes);
    try {
      return await call();
    } finally {
      const next = this.#line.shift();
      if (next === undefined) this.#inside -= 1;
      else next.resolve();
    }
  }

  async #wait(bytes: number): Promise<void> {
    if (this.#line.length >= this.#maxWaiting || this.#bytes + bytes > this.#maxBytes)
      throw new TooMuchAtOnce("too many calls at once");
    const turn = new Deferred();
    this.#line.push(turn);
    this.#bytes += bytes;
    await turn.promise;
    this.#bytes -= bytes;
  }
}

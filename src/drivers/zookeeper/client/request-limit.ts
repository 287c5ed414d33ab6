import type { Clock } from "../../../contract/index.ts";
import { settledWithin } from "../../../runtime/index.ts";
import { type Address, type Connection, SUSPECT_BYTES } from "./connection.ts";
import { requests } from "./requests.ts";
import { isKind } from "./zookeeper-error.ts";

/** The server may have been told to take more; then it is tried again. */
const HOLDS_MS = 60_000;
/** How long those wait whose connection has ended. The search goes on without them. */
const WITHIN_MS = 1_000;
const PRECISION = 1.0625;
/** Of a question about a node, beside its path. */
const QUESTION_BYTES = 13;

export type RequestLimitPlan = Readonly<{
  clock: Clock;
  /** The option. */
  most: number;
  /** Without a limit of its own. */
  connect: (address: Address, signal: AbortSignal) => Promise<Connection>;
}>;

/** `refused`: the smallest that the server was seen to refuse. */
type Learnt = Readonly<{ taken: number; refused: number }>;

/**
 * How large a request may be. A server tells its jute.maxbuffer only by ending the connection without a word, and with it every other call. So when a connection
 * ended beneath a large request, the size is tried with questions that change nothing, on connections of their own.
 */
export class RequestLimit {
  readonly #plan: RequestLimitPlan;
  readonly #closed = new AbortController();
  #learnt: Learnt | undefined;
  #until = -Infinity;
  #search: Promise<void> | undefined;

  constructor(plan: RequestLimitPlan) {
    this.#plan = plan;
  }

  get bytes(): number {
    return Math.min(this.#plan.most, this.#learnt?.taken ?? Infinity);
  }

  /** A connection to this server ended without a word while a request of so many bytes waited. */
  suspect(address: Address, bytes: number): Promise<void> {
    return this.#searched(() => this.#find(address, bytes));
  }

  /** Whether what was too large may go now: the limit may be another, or not as low as is known. undefined: nothing told in time. */
  async takes(address: Address, bytes: number): Promise<boolean | undefined> {
    const { clock, most } = this.#plan;
    if (bytes > most) return false;
    const until = clock.monotonic() + WITHIN_MS;
    // What is under way may be another's question. After one that told nothing there is no other.
    let before: Learnt | undefined;
    while (before !== this.#learnt && this.#isOpen(bytes) && clock.monotonic() < until) {
      before = this.#learnt;
      await this.#searched(() => this.#ask(address, bytes));
    }
    if (bytes <= this.bytes) return true;
    return this.#learnt !== undefined && bytes >= this.#learnt.refused ? false : undefined;
  }

  /** Resolves when nothing is asked any more. */
  async close(): Promise<void> {
    this.#closed.abort();
    await this.#search;
  }

  #isOpen(bytes: number): boolean {
    if (this.#learnt === undefined || bytes <= this.#learnt.taken) return false;
    return bytes < this.#learnt.refused || this.#isOld;
  }

  get #isOld(): boolean {
    return this.#plan.clock.monotonic() >= this.#until;
  }

  async #searched(search: () => Promise<void>): Promise<void> {
    if (this.#closed.signal.aborted) return;
    this.#search ??= search()
      .catch(() => undefined) // It is away: then nothing is known.
      .finally(() => (this.#search = undefined));
    await settledWithin(this.#plan.clock, this.#search, WITHIN_MS);
  }

  async #find(address: Address, bytes: number): Promise<void> {
    if ((await this.#answers(address, bytes)) !== false) return;
    let [taken, refused] = [SUSPECT_BYTES, bytes];
    while (refused / taken > PRECISION) {
      const middle = Math.floor(Math.sqrt(taken * refused));
      const answers = await this.#answers(address, middle);
      if (answers === undefined) return;
      if (answers) taken = middle;
      else refused = middle;
    }
    await this.#learn(address, taken, refused);
  }

  async #ask(address: Address, bytes: number): Promise<void> {
    if (this.#learnt === undefined) return;
    if (this.#isOld) return this.#renew(address, this.#learnt);
    const { taken, refused } = this.#learnt;
    const answers = await this.#answers(address, bytes);
    if (answers === true) this.#learnt = { taken: bytes, refused };
    if (answers === false) await this.#learn(address, taken, bytes);
  }

  async #renew(address: Address, learnt: Learnt): Promise<void> {
    const answers = await this.#answers(address, learnt.refused);
    if (answers === true) this.#learnt = undefined;
    if (answers === false) this.#keep({ ...learnt });
  }

  /** A server may refuse whatever comes, and a line may have broken by itself: only what is refused again after a smaller one was taken is too large. */
  async #learn(address: Address, taken: number, refused: number): Promise<void> {
    if ((await this.#answers(address, taken)) !== true) return;
    if ((await this.#answers(address, refused)) === false) this.#keep({ taken, refused });
  }

  #keep(learnt: Learnt): void {
    this.#learnt = learnt;
    this.#until = this.#plan.clock.monotonic() + HOLDS_MS;
  }

  /** undefined: it ended otherwise. */
  async #answers(address: Address, bytes: number): Promise<boolean | undefined> {
    const { signal } = this.#closed;
    if (signal.aborted) return undefined;
    const connection = await this.#plan.connect(address, signal);
    const destroy = (): void => connection.destroy("It was for one question.");
    signal.addEventListener("abort", destroy, { once: true });
    if (signal.aborted) destroy();
    try {
      await connection
        .call(requests.exists(`/${"x".repeat(bytes - QUESTION_BYTES - 1)}`))
        // That there is no such node is an answer.
        .catch((error: unknown) => (isKind(error, "answer") ? undefined : Promise.reject(error)));
      await connection.call(requests.closeSession).catch(() => undefined);
      return true;
    } catch {
      return connection.cutOffBytes > 0 ? false : undefined;
    } finally {
      signal.removeEventListener("abort", destroy);
      destroy();
    }
  }
}

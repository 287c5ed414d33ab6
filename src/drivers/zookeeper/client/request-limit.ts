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
  connect: (address: Address) => Promise<Connection>;
}>;

/**
 * How large a request may be. A server tells its jute.maxbuffer only by ending the connection without a word, and with it every other call. So when a connection
 * ended beneath a large request, the size is tried with questions that change nothing, on connections of their own.
 */
export class RequestLimit {
  readonly #plan: RequestLimitPlan;
  /** `refused`: the smallest that the server was seen to refuse. */
  #learnt: Readonly<{ taken: number; refused: number }> | undefined;
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

  /** What was too large may be so no longer. */
  async isLifted(address: Address): Promise<boolean> {
    if (this.#learnt === undefined || this.#plan.clock.monotonic() < this.#until) return false;
    await this.#searched(() => this.#renew(address));
    return this.#learnt === undefined;
  }

  async #searched(search: () => Promise<void>): Promise<void> {
    this.#search ??= search()
      .catch(() => undefined) // It is away: then nothing is known.
      .finally(() => (this.#search = undefined));
    await settledWithin(this.#plan.clock, this.#search, WITHIN_MS);
  }

  async #find(address: Address, bytes: number): Promise<void> {
    if ((await this.#takes(address, bytes)) !== false) return;
    let [taken, refused] = [SUSPECT_BYTES, bytes];
    while (refused / taken > PRECISION) {
      const middle = Math.floor(Math.sqrt(taken * refused));
      const takes = await this.#takes(address, middle);
      if (takes === undefined) return;
      if (takes) taken = middle;
      else refused = middle;
    }
    // Else it refuses whatever comes.
    if ((await this.#takes(address, taken)) === true) this.#learn(taken, refused);
  }

  async #renew(address: Address): Promise<void> {
    if (this.#learnt === undefined) return;
    const { taken, refused } = this.#learnt;
    const takes = await this.#takes(address, refused);
    if (takes === true) this.#learnt = undefined;
    if (takes === false) this.#learn(taken, refused);
  }

  #learn(taken: number, refused: number): void {
    this.#learnt = { taken, refused };
    this.#until = this.#plan.clock.monotonic() + HOLDS_MS;
  }

  /** undefined: it ended otherwise. */
  async #takes(address: Address, bytes: number): Promise<boolean | undefined> {
    const connection = await this.#plan.connect(address);
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
      connection.destroy("It was for one question.");
    }
  }
}

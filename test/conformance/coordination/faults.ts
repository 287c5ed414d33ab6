import type {
  CoordinationSession,
  CoordinationStore,
  TransactResult,
  WatchEvent,
} from "../../../src/contract/index.ts";
import { JobferryError } from "../../../src/errors/index.ts";

/** A client whose line to the store can be cut, and that loses answers. For stores that live in the process, where nothing else could fail. */
export class FaultyClient implements CoordinationStore {
  readonly name = "faulty";
  readonly inner: CoordinationStore;
  #cut: AbortController | undefined;
  #losesAnswer = false;
  #delays = false;
  #refusal: JobferryError | undefined;
  #late: (() => Promise<TransactResult>) | undefined;
  #dead = false;
  #hangs = false;
  /** Calls that reached the store. A watch is one. */
  requests = 0;

  constructor(inner: CoordinationStore) {
    this.inner = inner;
  }

  get capabilities(): CoordinationStore["capabilities"] {
    return this.inner.capabilities;
  }

  open: CoordinationStore["open"] = (context) => this.inner.open(context);
  classify: CoordinationStore["classify"] = (error) => this.inner.classify(error);

  close(): Promise<void> {
    return this.inner.close();
  }

  /** @returns what heals it. */
  cut(): () => void {
    this.#cut ??= new AbortController();
    this.#cut.abort();
    return () => (this.#cut = undefined);
  }

  /** As SIGKILL: nothing goes out any more. */
  die(): void {
    this.cut();
    this.#dead = true;
  }

  /** Calls from now on are never answered. */
  hang(): void {
    this.#hangs = true;
  }

  loseNextAnswer(): void {
    this.#losesAnswer = true;
  }

  /** Every transaction from now on is refused with this. */
  failTransacts(error: JobferryError): void {
    this.#refusal = error;
  }

  /** The next transaction fails here, and is still under way: it reaches the store when the function is called. */
  delayNext(): () => Promise<TransactResult> {
    this.#delays = true;
    return () => {
      if (this.#late === undefined) throw new Error("nothing is under way");
      return this.#late();
    };
  }

  get: CoordinationStore["get"] = (key) => this.#through(() => this.inner.get(key));
  list: CoordinationStore["list"] = (prefix, options) => this.#through(() => this.inner.list(prefix, options));

  transact: CoordinationStore["transact"] = async (compares, writes): Promise<TransactResult> => {
    if (this.#refusal !== undefined) throw this.#refusal;
    if (this.#delays) {
      this.#delays = false;
      this.#late = () => this.inner.transact(compares, writes);
      throw unavailable();
    }
    const result = await this.#through(() => this.inner.transact(compares, writes));
    if (!this.#losesAnswer) return result;
    this.#losesAnswer = false;
    throw unavailable();
  };

  openSession: CoordinationStore["openSession"] = async (ttlMs): Promise<CoordinationSession> => {
    const session = await this.#through(() => this.inner.openSession(ttlMs));
    return {
      id: session.id,
      renew: () => this.#through(() => session.renew()),
      close: () => this.#through(() => session.close()),
    };
  };

  async *watch(
    prefix: string,
    options: Parameters<CoordinationStore["watch"]>[1],
  ): AsyncGenerator<WatchEvent, void, undefined> {
    this.check();
    this.requests += 1;
    for await (const event of this.inner.watch(prefix, options)) {
      this.check();
      yield event;
    }
  }

  async #through<T>(call: () => Promise<T>): Promise<T> {
    this.check();
    this.requests += 1;
    if (this.#hangs) return new Promise<never>(() => undefined);
    const result = await call();
    this.check();
    return result;
  }

  protected check(): void {
    if (this.#cut !== undefined || this.#dead) throw unavailable();
  }
}

function unavailable(): JobferryError {
  return new JobferryError("UNAVAILABLE", "The line to the store is cut.", { retryable: true });
}

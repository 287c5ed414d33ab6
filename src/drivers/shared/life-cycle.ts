import { JobferryError } from "../../errors/index.ts";

/**
 * From the first `open` to the end, for good: calls of `open` share one opening, after one that failed the next call tries again, and `close` also
 * ends what is still being opened.
 */
export class LifeCycle<T> {
  /** For messages: "SQLite store". */
  readonly #name: string;
  readonly #closed = new AbortController();
  #opening: Promise<T> | undefined;
  #opened: T | undefined;
  #isClosed = false;
  #closing: Promise<void> | undefined;

  constructor(name: string) {
    this.#name = name;
  }

  /** @throws CLOSED, or what `begin` throws. */
  async open(begin: (closed: AbortSignal) => Promise<T>): Promise<T> {
    this.refuseWhenClosed();
    this.#opening ??= begin(this.closed);
    try {
      this.#opened = await this.#opening;
      return this.#opened;
    } catch (error) {
      this.#opening = undefined;
      throw error;
    }
  }

  /** @throws NOT_OPEN, CLOSED. */
  get opened(): T {
    this.refuseWhenClosed();
    if (this.#opened === undefined) throw notOpenError(this.#name);
    return this.#opened;
  }

  /** @throws CLOSED. */
  refuseWhenClosed(): void {
    if (this.#isClosed) throw closedError(this.#name);
  }

  /** Fires when `close` is called, before anything ends. */
  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  /** `end` is called once, when an opening on its way has settled; with nothing when it failed or none was begun. */
  close(end: (opened: T | undefined) => void | Promise<void>): Promise<void> {
    this.#isClosed = true;
    this.#closing ??= this.#close(end);
    return this.#closing;
  }

  async #close(end: (opened: T | undefined) => void | Promise<void>): Promise<void> {
    this.#closed.abort();
    await end(await this.#opening?.catch(() => undefined));
  }
}

/** `name` as in "SQLite store". */
export function closedError(name: string): JobferryError {
  return new JobferryError("CLOSED", `The ${name} is closed. Make another one.`);
}

export function notOpenError(name: string): JobferryError {
  return new JobferryError("NOT_OPEN", `The ${name} is not open. Call open() first.`);
}

import { Bell, checkOptions } from "../runtime/index.ts";
import { invalidArgument } from "../errors/index.ts";
import type { Message, Topic } from "./topic.ts";

/** Messages are gone that this subscriber was not given: those with numbers above `after`, up to `upTo`. */
export type Gap = Readonly<{ topic: string; after: bigint; upTo: bigint }>;

export type SubscribeOptions = Readonly<{
  /** Where an earlier subscription stopped (its `cursor`): what is kept behind it comes first. Default: only what is sent from now on. */
  from?: bigint;
  /** Told when messages were missed. Default: a warning in the log. */
  onGap?: (gap: Gap) => unknown;
}>;

type Handler = (message: Message) => unknown;

export function checkSubscribe(handler: unknown, options: SubscribeOptions): void {
  checkOptions("subscribe", options, ["from", "onGap"]);
  if (typeof handler !== "function") throw invalidArgument("handler", handler, "a function");
  const { from, onGap } = options;
  if (from !== undefined && (typeof from !== "bigint" || from < 0n)) throw invalidArgument("from", from, "a cursor");
  if (onGap !== undefined && typeof onGap !== "function") throw invalidArgument("onGap", onGap, "a function");
}

/**
 * Gives a handler the messages of a topic, one after the other in the order of their numbers. There is no buffer: what is not handled yet lies
 * in the topic, and what goes from there before its turn is told as a gap.
 */
export class Subscription implements AsyncDisposable {
  readonly topic: string;
  readonly #source: Topic;
  readonly #handler: Handler;
  readonly #onGap: (gap: Gap) => unknown;
  readonly #report: (error: unknown) => void;
  readonly #bell = new Bell();
  readonly #unlisten: () => void;
  readonly #onClosed: (subscription: Subscription) => void;
  readonly #running: Promise<void>;
  #cursor: bigint;
  #closed = false;

  constructor(
    name: string,
    source: Topic,
    from: bigint,
    handler: Handler,
    onGap: (gap: Gap) => unknown,
    report: (error: unknown) => void,
    onClosed: (subscription: Subscription) => void,
  ) {
    this.#onClosed = onClosed;
    this.topic = name;
    this.#source = source;
    this.#cursor = from;
    this.#handler = handler;
    this.#onGap = onGap;
    this.#report = report;
    this.#unlisten = source.listen(this.#bell.ring);
    this.#running = this.#run();
  }

  /** The number of the last message that was handled. Kept by the program, it is where the next subscription goes on. */
  get cursor(): bigint {
    return this.#cursor;
  }

  /** Resolves when the handler that runs has ended. Not to be awaited inside of it. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#unlisten();
    this.#bell.ring();
    await this.#running;
    this.#onClosed(this);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #run(): Promise<void> {
    while (!this.#closed) {
      const { prunedUpTo } = this.#source;
      if (prunedUpTo > this.#cursor) {
        const gap = { topic: this.topic, after: this.#cursor, upTo: prunedUpTo };
        this.#cursor = prunedUpTo;
        await this.#call(() => this.#onGap(gap));
        continue;
      }
      const message = this.#source.after(this.#cursor);
      if (message === undefined) await this.#bell.wait();
      else {
        await this.#call(() => this.#handler(message));
        if (message.number > this.#cursor) this.#cursor = message.number;
      }
    }
  }

  /** What a handler throws is told, and the next message comes: a broadcast has no retries. */
  async #call(run: () => unknown): Promise<void> {
    try {
      await run();
    } catch (error) {
      this.#report(error);
    }
  }
}

import { JobferryError } from "../../errors/index.ts";
import { Deferred } from "../../runtime/index.ts";
import type { AmqpConfirmChannel } from "./client.ts";
import type { ConfirmConnection } from "./connection.ts";
import type { Link } from "./link.ts";

export type Outgoing = Readonly<{
  exchange: string;
  routingKey: string;
  body: Buffer;
  /** The server's own scale. */
  priority: number | undefined;
  id: string;
}>;

/** `unknown`: it was sent and nobody knows what became of it. */
export type Published = "confirmed" | "unknown" | Readonly<{ error: unknown }>;

const ALWAYS = (): boolean => true;

/** AMQP's short strings. */
const MAX_SHORT = 255;

/**
 * Publishes with confirms on a connection that does nothing else: a server with a memory or disk alarm stops reading from connections that
 * publish, and acknowledgements must go on meanwhile. Every message is mandatory, so one that would reach no queue comes back instead of being dropped.
 */
export class Publishing {
  readonly #link: Link<AmqpConfirmChannel>;
  readonly #onUnroutable: () => void;
  #numbers = 0;

  constructor(link: Link<AmqpConfirmChannel>, onUnroutable: () => void) {
    this.#link = link;
    this.#onUnroutable = onUnroutable;
  }

  /**
   * One answer per message, in order; resolves when the server has answered for each, or cannot any more. Throws only when nothing was sent. `isWanted` is
   * asked just before: a connection may have taken long to come.
   */
  async publish(messages: readonly Outgoing[], isWanted: () => boolean = ALWAYS): Promise<readonly Published[]> {
    if (messages.length === 0) return [];
    const connection = await this.#link.get();
    if (!isWanted()) return messages.map(() => "unknown");
    if (connection.blocked !== undefined) return messages.map(() => ({ error: full(connection.blocked) }));
    return new Batch(connection, messages, this.#nextNumber(messages.length), this.#onUnroutable).send();
  }

  #nextNumber(count: number): number {
    const first = this.#numbers;
    this.#numbers += count;
    return first;
  }
}

/** The messages of one call on one connection. */
class Batch {
  readonly #connection: ConfirmConnection;
  readonly #messages: readonly Outgoing[];
  readonly #first: number;
  readonly #results: Published[];
  readonly #done = new Deferred();
  readonly #onUnroutable: () => void;
  #open: number;

  constructor(connection: ConfirmConnection, messages: readonly Outgoing[], first: number, onUnroutable: () => void) {
    this.#connection = connection;
    this.#messages = messages;
    this.#first = first;
    this.#open = messages.length;
    this.#results = messages.map(() => "unknown");
    this.#onUnroutable = onUnroutable;
  }

  async send(): Promise<readonly Published[]> {
    const connection = this.#connection;
    const returned = returnsOf(connection);
    const unwatch = connection.watch(() => this.#done.resolve());
    try {
      for (let i = 0; i < this.#messages.length; i += 1) this.#sendOne(i, returned);
      await connection.answer("publisher confirms", this.#done.promise);
    } catch {
      // Lost, or no answer in time: what is open stays unknown.
    } finally {
      unwatch();
    }
    if (connection.blocked === undefined) return this.#results;
    return this.#results.map((result) => (result === "unknown" ? { error: full(connection.blocked) } : result));
  }

  #sendOne(i: number, returned: Map<string, () => void>): void {
    const message = this.#messages[i];
    if (message === undefined) return;
    const number = String(this.#first + i);
    const { exchange, routingKey, body, priority, id } = message;
    const options = {
      ...{ persistent: true, mandatory: true, correlationId: number },
      ...(priority === undefined ? undefined : { priority }),
      ...(id.length * 3 <= MAX_SHORT || Buffer.byteLength(id) <= MAX_SHORT ? { messageId: id } : undefined),
    };
    let isReturned = false;
    returned.set(number, () => (isReturned = true));
    const confirmed = (error: unknown): void => {
      returned.delete(number);
      if (isReturned) this.#onUnroutable();
      if (isReturned) this.#results[i] = { error: unroutable() };
      else if (error === null || error === undefined) this.#results[i] = "confirmed";
      else if (isNack(error)) this.#results[i] = { error: full("reject-publish") };
      this.#landed();
    };
    try {
      this.#connection.channel.publish(exchange, routingKey, body, options, confirmed);
    } catch (error) {
      // A channel that is closed throws before anything is sent.
      returned.delete(number);
      this.#results[i] = { error };
      this.#landed();
    }
  }

  #landed(): void {
    this.#open -= 1;
    if (this.#open === 0) this.#done.resolve();
  }
}

const returns = new WeakMap<ConfirmConnection, Map<string, () => void>>();

/** A message comes back before its confirm. One listener for each connection. */
function returnsOf(connection: ConfirmConnection): Map<string, () => void> {
  const known = returns.get(connection);
  if (known !== undefined) return known;
  const map = new Map<string, () => void>();
  returns.set(connection, map);
  connection.channel.on("return", ({ properties }: Readonly<{ properties: Readonly<{ correlationId?: unknown }> }>) =>
    map.get(String(properties.correlationId))?.(),
  );
  return map;
}

/** amqplib tells a nack and the end of the channel in the same way; after the latter nobody knows. */
function isNack(error: unknown): boolean {
  return error instanceof Error && error.message === "message nacked";
}

export function full(why: string | undefined): JobferryError {
  return new JobferryError(
    "STORE_FULL",
    `RabbitMQ takes no more messages now (${why ?? "blocked"}): a memory or disk alarm, or a queue at its limit. Make room on the server; what was on its way may be stored or not.`,
    { retryable: true },
  );
}

function unroutable(): JobferryError {
  return new JobferryError(
    "UNAVAILABLE",
    "The queue is gone from RabbitMQ, so the job was not stored. It is declared again; push again.",
    { retryable: true },
  );
}

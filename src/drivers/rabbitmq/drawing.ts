import { Deferred } from "../../runtime/index.ts";
import { Acknowledging } from "./acknowledging.ts";
import type { AmqpMessage } from "./client.ts";
import type { Connection } from "./connection.ts";

/** AMQP's prefetch is a 16-bit number. */
const MAX_PREFETCH = 65_535;

/**
 * One exact pull: a consumer whose prefetch is what is wanted, cancelled again. The server never gives more than the prefetch while nothing is
 * acknowledged, so nothing of a draw may be acknowledged before `end()` has resolved.
 *
 * Only a full draw is ended without harm: before 4.3 a message that the server gives while it cancels is taken back and counted as lost (measured on
 * 3.10.8: 274 of 330 that met a cancel). So a pull asks for no more than is there, and a wait for one message is not ended but parked.
 */
export class Draw {
  readonly limit: number;
  readonly messages: AmqpMessage[] = [];
  /** Called for a message that comes while nobody waits for this draw. */
  onUnasked: (() => void) | undefined;
  readonly #cancel: () => Promise<unknown>;
  #expected = Infinity;
  #reached = new Deferred();
  #ended: Promise<void> | undefined;

  constructor(limit: number, cancel: () => Promise<unknown>) {
    this.limit = limit;
    this.#cancel = cancel;
  }

  take(message: AmqpMessage): void {
    this.messages.push(message);
    if (this.messages.length >= this.#expected) this.#reached.resolve();
    else if (this.#expected === Infinity) this.onUnasked?.();
  }

  /** Resolves when so many have come. */
  atLeast(count: number): Promise<void> {
    this.#expected = count;
    this.#reached = new Deferred();
    if (this.messages.length >= count) this.#reached.resolve();
    return this.#reached.promise;
  }

  /** Nobody waits any more. */
  leave(): void {
    this.#expected = Infinity;
  }

  get isFull(): boolean {
    return this.messages.length >= this.limit;
  }

  /** Resolves when no more can come. */
  end(): Promise<void> {
    this.#ended ??= this.#cancel().then(() => undefined);
    return this.#ended;
  }
}

/** The draws of one connection. */
export class Drawing {
  readonly #connection: Connection;
  readonly #draws = new Map<string, Draw>();
  readonly #onLate: (message: AmqpMessage) => void;
  readonly acknowledging: Acknowledging;
  #drawn = 0;
  #prefetch = -1;

  /** `onLate`: a message that came after its draw had ended, as a node of a cluster that is not the queue's leader may deliver it. */
  constructor(connection: Connection, onLate: (message: AmqpMessage) => void) {
    this.#connection = connection;
    this.#onLate = onLate;
    const { channel } = connection;
    this.acknowledging = new Acknowledging(channel);
    // amqplib's own dispatch throws, and so ends the connection, at a message whose consumer was cancelled.
    channel.removeAllListeners("delivery");
    channel.on("delivery", (message: Delivery) => this.#dispatch(message));
    channel.removeAllListeners("cancel");
    channel.on("cancel", () => connection.lose(gone()));
  }

  #dispatch(message: Delivery): void {
    const draw = this.#draws.get(message.fields.consumerTag);
    if (draw === undefined) this.#onLate(message);
    else draw.take(message);
  }

  /** Begins a draw. It rejects, like everything of the connection, when that is lost. */
  async begin(address: string, limit: number): Promise<Draw> {
    const connection = this.#connection;
    const prefetch = Math.min(limit, MAX_PREFETCH);
    const consumerTag = `jobferry-${(this.#drawn += 1)}`;
    const draw = new Draw(prefetch, () => this.#end(consumerTag));
    this.#draws.set(consumerTag, draw);
    // Sent together: the prefetch holds for consumers that come after it.
    const asked = [
      ...(prefetch === this.#prefetch ? [] : [connection.channel.prefetch(prefetch)]),
      connection.channel.consume(address, () => undefined, { consumerTag }),
    ];
    this.#prefetch = prefetch;
    await connection.answer("consume", Promise.all(asked));
    return draw;
  }

  async #end(consumerTag: string): Promise<void> {
    await this.#connection.answer("cancel", this.#connection.channel.cancel(consumerTag));
    this.#draws.delete(consumerTag);
  }

  /**
   * Resolves when everything has come that the queue gave to this connection before: one question that the queue itself answers, after what it gave is on its way to
   * the channel, and one that the channel answers after that.
   */
  async arrived(address: string): Promise<void> {
    const { channel } = this.#connection;
    await this.#connection.answer("count", channel.checkQueue(address));
    await this.barrier();
  }

  /** One round trip behind everything that was sent on this connection. */
  async barrier(): Promise<void> {
    const { channel } = this.#connection;
    await this.#connection.answer("acknowledge", channel.prefetch(Math.max(1, this.#prefetch)));
  }
}

type Delivery = AmqpMessage & Readonly<{ fields: Readonly<{ consumerTag: string }> }>;

function gone(): Error {
  return new Error("Channel ended: a queue was removed from RabbitMQ while it was consumed.");
}

import type { Clock } from "../../contract/index.ts";
import { Deferred } from "../../runtime/index.ts";
import { Acknowledging } from "./acknowledging.ts";
import type { AmqpChannel, AmqpMessage } from "./client.ts";
import type { Connection } from "./connection.ts";
import { read } from "./message.ts";
import type { Parcel } from "./message.ts";

/** A message that this connection has, its job with all its counts, and the draw that it came with. */
export type Taken = Readonly<{ message: AmqpMessage; parcel: Parcel; draw: Draw }>;

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
  /** Its messages can be ended there only. */
  readonly source: Drawing;
  readonly limit: number;
  readonly taken: Taken[] = [];
  /** Called for a message that comes while nobody waits for this draw. */
  onUnasked: (() => void) | undefined;
  readonly #cancel: () => Promise<unknown>;
  #expected = Infinity;
  #reached = new Deferred();
  #ended: Promise<void> | undefined;

  constructor(source: Drawing, limit: number, cancel: () => Promise<unknown>) {
    this.source = source;
    this.limit = limit;
    this.#cancel = cancel;
  }

  take(message: AmqpMessage, parcel: Parcel): void {
    this.taken.push({ message, parcel, draw: this });
    if (this.taken.length >= this.#expected) this.#reached.resolve();
    else if (this.#expected === Infinity) this.onUnasked?.();
  }

  /** Resolves when so many have come. */
  atLeast(count: number): Promise<void> {
    this.#expected = count;
    this.#reached = new Deferred();
    if (this.taken.length >= count) this.#reached.resolve();
    return this.#reached.promise;
  }

  /** Nobody waits any more. */
  leave(): void {
    this.#expected = Infinity;
  }

  get isFull(): boolean {
    return this.taken.length >= this.limit;
  }

  /** Resolves when no more can come. */
  end(): Promise<void> {
    this.#ended ??= this.#cancel().then(() => undefined);
    return this.#ended;
  }
}

type Begun = Readonly<{ queue: string; draw: Draw }>;

/** The draws of one channel. */
export class Drawing {
  /** Of its connection's channels. */
  readonly number: number;
  readonly #connection: Connection;
  readonly #channel: AmqpChannel;
  readonly #clock: Clock;
  readonly #draws = new Map<string, Begun>();
  readonly #onLate: (late: Taken) => void;
  readonly acknowledging: Acknowledging;
  #drawn = 0;
  #prefetch = -1;

  /** `onLate`: a message that came after its draw had ended, as a node of a cluster that is not the queue's leader may deliver it. */
  constructor(
    connection: Connection,
    channel: AmqpChannel,
    number: number,
    clock: Clock,
    onLate: (late: Taken) => void,
  ) {
    this.number = number;
    this.#connection = connection;
    this.#channel = channel;
    this.#clock = clock;
    this.#onLate = onLate;
    this.acknowledging = new Acknowledging(channel);
    // amqplib's own dispatch throws, and so ends the connection, at a message whose consumer was cancelled.
    channel.removeAllListeners("delivery");
    channel.on("delivery", (message: Delivery) => this.#dispatch(message));
    channel.removeAllListeners("cancel");
    channel.on("cancel", () => connection.lose(gone()));
  }

  /** Read at once: there is time while the others are on their way. */
  #dispatch(message: Delivery): void {
    const begun = this.#draws.get(message.fields.consumerTag);
    const parcel = read(message, begun?.queue ?? "default", this.#clock.now());
    if (begun !== undefined) return begun.draw.take(message, parcel);
    this.#onLate({ message, parcel, draw: new Draw(this, 0, () => Promise.resolve()) });
  }

  /** No consumer is there, so nothing that is asked of the channel waits for one. */
  get isFree(): boolean {
    return this.#draws.size === 0;
  }

  /** Begins a draw. It rejects, like everything of the connection, when that is lost. */
  async begin(queue: string, address: string, limit: number): Promise<Draw> {
    const connection = this.#connection;
    const prefetch = Math.min(limit, MAX_PREFETCH);
    const consumerTag = `jobferry-${(this.#drawn += 1)}`;
    const draw = new Draw(this, prefetch, () => this.#end(consumerTag));
    this.#draws.set(consumerTag, { queue, draw });
    // Sent together: the prefetch holds for consumers that come after it.
    const asked = [
      ...(prefetch === this.#prefetch ? [] : [this.#channel.prefetch(prefetch)]),
      this.#channel.consume(address, () => undefined, { consumerTag }),
    ];
    this.#prefetch = prefetch;
    await connection.answer("consume", Promise.all(asked));
    return draw;
  }

  async #end(consumerTag: string): Promise<void> {
    await this.#connection.answer("cancel", this.#channel.cancel(consumerTag));
    this.#draws.delete(consumerTag);
  }

  /**
   * Resolves when everything has come that the queue gave to this connection before: one question that the queue itself answers, after what it gave is on its way to
   * the channel, and one that the channel answers after that.
   */
  async arrived(address: string): Promise<void> {
    await this.#connection.answer("count", this.#channel.checkQueue(address));
    await this.barrier();
  }

  /** One round trip behind everything that was sent on this channel. */
  async barrier(): Promise<void> {
    await this.#connection.answer("acknowledge", this.#channel.prefetch(Math.max(1, this.#prefetch)));
  }
}

type Delivery = AmqpMessage & Readonly<{ fields: Readonly<{ consumerTag: string }> }>;

function gone(): Error {
  return new Error("Channel ended: a queue was removed from RabbitMQ while it was consumed.");
}

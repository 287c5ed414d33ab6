import type { Clock } from "../../contract/index.ts";
import { JobferryError } from "../../errors/index.ts";
import { Deferred, settledWithin, sleep } from "../../runtime/index.ts";
import type { AmqpChannel, AmqpMessage } from "./client.ts";
import type { Connection } from "./connection.ts";
import { alone } from "./declaration-lock.ts";
import { isWithoutMember } from "./errors.ts";
import type { Published, Publishing } from "./publishing.ts";

/** What lies on the server for one queue: its jobs and failed jobs, the lower steps of its ladder, the higher ones. */
export type Part = "jobs" | "short" | "long";

export type Entry = Readonly<{ queue: string; part: Part }>;

const PREFETCH = 1_000;
/** After which a stream that gives nothing is taken for an empty one, until a mark proves it. */
const EMPTY_MS = 50;
/** A stream has no member on this node for a moment while one starts there or a leader is elected. */
const MEMBER_WAIT_MS = 5_000;
const MEMBER_PAUSE_MS = 50;
const MARK = Buffer.from("[]");
const ARGUMENTS = { durable: true, arguments: { "x-queue-type": "stream" } };

type Read = Readonly<{ offset: number; text: string }>;

/**
 * Which queues there are, because AMQP cannot list them: a stream with one message for each part of each queue, written once. Reading takes nothing
 * away, so any number of processes may. A queue of messages that are given back would not do: RabbitMQ 4 puts them back a moment later (measured).
 */
export class Registry {
  readonly #stream: string;
  readonly #clock: Clock;
  readonly #publishing: Publishing;
  readonly #closing: AbortSignal;
  #readers = 0;
  #isThere = false;
  #declaring: Promise<void> | undefined;

  constructor(stream: string, clock: Clock, publishing: Publishing, closing: AbortSignal) {
    this.#closing = closing;
    this.#stream = stream;
    this.#clock = clock;
    this.#publishing = publishing;
  }

  /** Of a stream that `read` has declared. */
  async add({ part, queue }: Entry): Promise<void> {
    const written = await this.#write(Buffer.from(JSON.stringify([part, queue])));
    if (written === "confirmed") return;
    if (typeof written === "object") throw written.error;
    throw new JobferryError("UNAVAILABLE", "RabbitMQ did not confirm the entry of a new queue.", { retryable: true });
  }

  async read(connection: Connection): Promise<readonly Entry[]> {
    await this.#declare(connection);
    const until = this.#clock.monotonic() + MEMBER_WAIT_MS;
    for (;;) {
      try {
        return await this.#readOnce(connection);
      } catch (error) {
        if (!isWithoutMember(error) || this.#clock.monotonic() > until) throw error;
        await sleep(this.#clock, MEMBER_PAUSE_MS, this.#closing);
        if (this.#closing.aborted) throw error;
      }
    }
  }

  #readOnce(connection: Connection): Promise<readonly Entry[]> {
    return connection.onChannel("list the queues", async (channel) => {
      const last = await this.#lastOffset(connection, channel);
      if (last === undefined) return [];
      const entries = new Map<string, Entry>();
      for (const { text } of await this.#upTo(connection, channel, last)) {
        const entry = entryOf(text);
        if (entry !== undefined) entries.set(text, entry);
      }
      return [...entries.values()];
    });
  }

  async #write(body: Buffer): Promise<Published> {
    const message = { exchange: "", routingKey: this.#stream, body, priority: undefined, id: "" };
    return (await this.#publishing.publish([message], 1))[0] ?? "unknown";
  }

  /** The first time alone: it may be that nobody has made it before. */
  async #declare(connection: Connection): Promise<void> {
    const declare = async (): Promise<void> => {
      await connection.ask("declare the list of queues", (channel) => channel.assertQueue(this.#stream, ARGUMENTS));
    };
    if (this.#isThere) return declare();
    const [clock, closing] = [this.#clock, this.#closing];
    // Two of this process would both have the lock, which is the connection's.
    this.#declaring ??= alone(connection, `${this.#stream}.lock`, { clock, closing }, declare)
      .then(() => void (this.#isThere = true))
      .finally(() => (this.#declaring = undefined));
    await this.#declaring;
  }

  /** The end of what is there now. An empty stream cannot say that it is: then a mark is written, which must come. */
  async #lastOffset(connection: Connection, channel: AmqpChannel): Promise<number | undefined> {
    const seen: Read[] = [];
    const came = new Deferred();
    const stop = await this.#follow(connection, channel, "last", (read) => {
      seen.push(read);
      came.resolve();
    });
    if (!(await settledWithin(this.#clock, came.promise, EMPTY_MS)) && (await this.#write(MARK)) !== "confirmed")
      return undefined;
    await connection.answer("read the end of the list", came.promise);
    // A chunk is sent as a whole, so behind the first of it the others have come.
    await connection.answer("read the end of the list", channel.prefetch(PREFETCH));
    await stop();
    return Math.max(...seen.map(({ offset }) => offset));
  }

  async #upTo(connection: Connection, channel: AmqpChannel, last: number): Promise<readonly Read[]> {
    const seen: Read[] = [];
    const all = new Deferred();
    const stop = await this.#follow(connection, channel, "first", (read) => {
      seen.push(read);
      if (read.offset >= last) all.resolve();
    });
    await connection.answer("read the list of queues", all.promise);
    await stop();
    return seen;
  }

  async #follow(
    connection: Connection,
    channel: AmqpChannel,
    from: "first" | "last",
    onRead: (read: Read) => void,
  ): Promise<() => Promise<unknown>> {
    const consumerTag = `jobferry-list-${(this.#readers += 1)}`;
    channel.removeAllListeners("delivery");
    channel.on("delivery", (message: Delivery) => {
      channel.ack(message);
      if (message.fields.consumerTag === consumerTag) onRead(readOf(message));
    });
    const options = { consumerTag, arguments: { "x-stream-offset": from } };
    const asked = [channel.prefetch(PREFETCH), channel.consume(this.#stream, () => undefined, options)];
    await connection.answer("read the list of queues", Promise.all(asked));
    return () => connection.answer("read the list of queues", channel.cancel(consumerTag));
  }
}

type Delivery = AmqpMessage & Readonly<{ fields: Readonly<{ consumerTag: string }> }>;

function readOf({ content, properties: { headers } }: AmqpMessage): Read {
  const offset = Number((headers as Readonly<Record<string, unknown>> | undefined)?.["x-stream-offset"] ?? 0);
  return { offset, text: Buffer.from(content).toString("utf8") };
}

function entryOf(text: string): Entry | undefined {
  try {
    const [part, queue] = JSON.parse(text) as readonly [Part?, string?];
    return part === undefined || queue === undefined ? undefined : { part, queue };
  } catch {
    return undefined;
  }
}

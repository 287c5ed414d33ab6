import type { Clock } from "../../contract/index.ts";
import { isJobferryError, JobferryError } from "../../errors/index.ts";
import { sleep } from "../../runtime/index.ts";
import type { AmqpChannel, AmqpMessage } from "./client.ts";
import type { Connection } from "./connection.ts";
import type { Publishing } from "./publishing.ts";

/** What lies on the server for one queue: its jobs and failed jobs, the lower steps of its ladder, the higher ones. */
export type Part = "jobs" | "short" | "long";

export type Entry = Readonly<{ queue: string; part: Part }>;

const ACCESS_REFUSED = 403;
/** Readers hold the queue for some milliseconds. */
const BUSY_PAUSE_MS = 20;
const BUSY_TRIES = 250;
const PREFETCH = 10_000;

/**
 * Which queues there are, because AMQP cannot list them: one message for each part of each queue. A reader takes all messages as the only consumer and
 * gives them back at once; what stands there twice it removes. Readers wait for each other, for some milliseconds.
 */
export class Registry {
  readonly #queue: string;
  readonly #clock: Clock;
  readonly #publishing: Publishing;
  readonly #arguments: () => object;
  #readers = 0;

  constructor(queue: string, clock: Clock, publishing: Publishing, queueArguments: () => object) {
    this.#queue = queue;
    this.#clock = clock;
    this.#publishing = publishing;
    this.#arguments = queueArguments;
  }

  async add(connection: Connection, entry: Entry): Promise<void> {
    await this.#declare(connection);
    const body = Buffer.from(JSON.stringify([entry.part, entry.queue]));
    const message = { exchange: "", routingKey: this.#queue, body, priority: undefined, id: entry.part };
    const [result] = await this.#publishing.publish([message]);
    if (result === "confirmed") return;
    if (typeof result === "object") throw result.error;
    throw new JobferryError("UNAVAILABLE", "RabbitMQ did not confirm the entry of a new queue.", { retryable: true });
  }

  async read(connection: Connection): Promise<readonly Entry[]> {
    await this.#declare(connection);
    for (let tries = 1; ; tries += 1) {
      try {
        return await connection.ask("list the queues", (channel) => this.#readOnce(channel));
      } catch (error) {
        if (!isBusy(error) || connection.isLost) throw error;
        if (tries >= BUSY_TRIES)
          throw new JobferryError("UNAVAILABLE", "Another process holds the list of queues. Try again.", {
            cause: error,
            retryable: true,
          });
        await sleep(this.#clock, BUSY_PAUSE_MS * this.#clock.random());
      }
    }
  }

  async #declare(connection: Connection): Promise<void> {
    await connection.ask("declare the list of queues", (channel) =>
      channel.assertQueue(this.#queue, this.#arguments()),
    );
  }

  async #readOnce(channel: AmqpChannel): Promise<readonly Entry[]> {
    const consumerTag = `jobferry-list-${(this.#readers += 1)}`;
    const messages: AmqpMessage[] = [];
    channel.removeAllListeners("delivery");
    channel.on("delivery", (message: AmqpMessage) => messages.push(message));
    // Everything that is there is delivered before the answer to the cancel: the two ends of one exact look.
    const asked = [
      channel.prefetch(PREFETCH),
      channel.consume(this.#queue, () => undefined, { consumerTag, exclusive: true }),
      channel.cancel(consumerTag),
    ];
    await Promise.all(asked);
    return this.#giveBack(channel, messages);
  }

  #giveBack(channel: AmqpChannel, messages: readonly AmqpMessage[]): readonly Entry[] {
    const entries = new Map<string, Entry>();
    for (const message of messages) {
      const text = Buffer.from(message.content).toString("utf8");
      if (entries.has(text)) channel.ack(message);
      else channel.nack(message, false, true);
      const entry = entryOf(text);
      if (entry !== undefined) entries.set(text, entry);
    }
    return [...entries.values()];
  }
}

function entryOf(text: string): Entry | undefined {
  try {
    const [part, queue] = JSON.parse(text) as readonly [Part, string];
    return { part, queue };
  } catch {
    return undefined;
  }
}

function isBusy(error: unknown): boolean {
  return (
    !isJobferryError(error) &&
    typeof error === "object" &&
    error !== null &&
    "code" in error &&
    error.code === ACCESS_REFUSED &&
    /exclusive/.test(String((error as unknown as Error).message))
  );
}

import type { Clock, Timer } from "../../contract/index.ts";
import { JobferryError } from "../../errors/index.ts";
import type { AmqpChannel, AmqpClient, AmqpConfirmChannel } from "./client.ts";
import { NOT_ALLOWED } from "./errors.ts";
import { GatheredWrites } from "./gathered-writes.ts";
import { checkServer } from "./server.ts";
import type { Server } from "./server.ts";

/**
 * One connection with a channel for its work, more of them where one would have to wait, and one for questions that may close it (a channel dies of an error's
 * answer). It is either whole or lost: when the connection or a channel for work ends, everything that was taken or is in flight on it is lost with it, and its
 * owner makes another one.
 */
export class Connection<Channel extends AmqpChannel = AmqpChannel> {
  readonly number: number;
  readonly server: Server;
  readonly channel: Channel;
  /** Why the server takes no more publishes now (memory or disk alarm). */
  blocked: string | undefined;
  readonly #client: AmqpClient;
  readonly #clock: Clock;
  readonly #answerMs: number;
  /** Of the publishes on it. */
  readonly writes: GatheredWrites;
  readonly #watchers = new Set<(reason: unknown) => void>();
  /** The latest error that the client told of. */
  #reason: unknown;
  #lostBy: Readonly<{ reason: unknown }> | undefined;
  #endedByServer = false;
  #asking: AmqpChannel | undefined;
  #questions: Promise<unknown> = Promise.resolve();

  private constructor(client: AmqpClient, channel: Channel, number: number, clock: Clock, answerMs: number) {
    this.#client = client;
    this.writes = new GatheredWrites(client);
    this.channel = channel;
    this.number = number;
    this.#clock = clock;
    this.#answerMs = answerMs;
    this.server = checkServer(client.connection.serverProperties);
    client.on("blocked", (reason: unknown) => {
      this.blocked = String(reason);
      for (const watcher of this.#watchers) watcher(undefined);
    });
    client.on("unblocked", () => (this.blocked = undefined));
    this.#dieWith(client, "The connection to RabbitMQ was lost.");
    this.#dieWith(channel, "RabbitMQ closed the channel.");
  }

  /** @throws UNSUPPORTED for a server that is too old; what the client throws. */
  static async open<C extends AmqpChannel>(
    client: AmqpClient,
    makeChannel: (client: AmqpClient) => Promise<C>,
    number: number,
    clock: Clock,
    answerMs: number,
  ): Promise<Connection<C>> {
    // Without a listener an error of the connection would end the process.
    client.on("error", () => undefined);
    try {
      checkServer(client.connection.serverProperties);
      const channel = await makeChannel(client);
      return new Connection(client, channel, number, clock, answerMs);
    } catch (error) {
      client.close().catch(() => undefined);
      throw error;
    }
  }

  /** An error of the connection is told before its channels close, which know of none then. */
  #dieWith(emitter: AmqpClient | AmqpChannel, message: string): void {
    emitter.on("error", (error: unknown) => (this.#reason = error));
    emitter.on("close", () => {
      this.#endedByServer ||= !this.isLost && isAnnounced(this.#reason);
      this.lose(this.#reason ?? new JobferryError("UNAVAILABLE", message, { retryable: true }));
    });
  }

  /** The server has ended it and said so, in contrast to a line that broke: then it most probably takes another connection at once. */
  get isEndedByServer(): boolean {
    return this.#endedByServer;
  }

  get isLost(): boolean {
    return this.#lostBy !== undefined;
  }

  /** The reason, once it is lost. */
  get lostBy(): unknown {
    return this.#lostBy?.reason;
  }

  /** Calls back once with the reason when the connection is lost, and with undefined whenever the server blocks publishes. */
  watch(callback: (reason: unknown) => void): () => void {
    this.#watchers.add(callback);
    return () => this.#watchers.delete(callback);
  }

  /** Gives the connection up: who waits for it is told at once, however long its socket takes to notice. */
  lose(reason: unknown): void {
    if (this.#lostBy !== undefined) return;
    this.#lostBy = {
      reason: reason ?? new JobferryError("UNAVAILABLE", "The connection was lost.", { retryable: true }),
    };
    const watchers = [...this.#watchers];
    this.#watchers.clear();
    for (const watcher of watchers) watcher(this.#lostBy.reason);
    this.#client.close().catch(() => undefined);
    destroySocket(this.#client);
  }

  /** The promise's end, or the loss of the connection when that comes first. */
  orLost<T>(promise: Promise<T>): Promise<T> {
    // Not a race with one promise of the connection: that would keep every waiter of a connection that lives for months.
    if (this.#lostBy !== undefined) return Promise.reject(this.#lostBy.reason);
    return new Promise((resolve, reject) => {
      const unwatch = this.watch((reason) => reason === undefined || reject(reason));
      promise.then(resolve, reject).finally(unwatch);
    });
  }

  timer(delayMs: number, callback: () => void): Timer {
    return this.#clock.timer(delayMs, callback);
  }

  /** Gives the connection up when the server has not answered in time: then who does not `watch` would wait for ever. */
  deadline(what: string): Timer {
    return this.#clock.timer(this.#answerMs, () =>
      this.lose(
        new JobferryError(
          "UNAVAILABLE",
          `RabbitMQ did not answer within ${this.#answerMs} ms (${what}). The connection was given up.`,
          { retryable: true },
        ),
      ),
    );
  }

  /** An answer of the server to something sent on a channel for work. One that does not come in time ends the connection. */
  async answer<T>(what: string, asked: Promise<T>): Promise<T> {
    const timer = this.deadline(what);
    // Whoever was told of the loss no longer listens to what was asked.
    asked.catch(() => undefined);
    try {
      return await this.orLost(asked);
    } finally {
      timer.cancel();
    }
  }

  /** A question whose answer may be an error: on a channel of its own, one after the other, so that none dies of another's. */
  ask<T>(what: string, question: (channel: AmqpChannel) => Promise<T>): Promise<T> {
    const asked = this.#questions.then(async () => {
      this.#asking ??= await this.answer("open a channel", this.#openSide());
      return this.answer(what, question(this.#asking));
    });
    this.#questions = asked.catch(() => undefined);
    return asked;
  }

  /** Many such questions in a row. Each has the time of one answer: a busy server may need long for all of them. */
  talk(what: string, conversation: (ask: Ask) => Promise<void>): Promise<void> {
    const talked = this.#questions.then(async () => {
      const channel = (this.#asking ??= await this.answer("open a channel", this.#openSide()));
      await conversation((question) => this.answer(what, question(channel)));
    });
    this.#questions = talked.catch(() => undefined);
    return talked;
  }

  /** One more channel for work. */
  async openChannel(): Promise<AmqpChannel> {
    const channel = await this.answer("open a channel", this.#client.createChannel());
    this.#dieWith(channel, "RabbitMQ closed a channel.");
    return channel;
  }

  /** A longer conversation on a channel of its own, which asks by `answer`. */
  async onChannel<T>(what: string, talk: (channel: AmqpChannel) => Promise<T>): Promise<T> {
    const channel = await this.answer(what, this.#client.createChannel());
    channel.on("error", () => undefined);
    try {
      return await talk(channel);
    } finally {
      channel.close().catch(() => undefined);
    }
  }

  async #openSide(): Promise<AmqpChannel> {
    const side = await this.#client.createChannel();
    side.on("error", () => (this.#asking = undefined));
    side.on("close", () => (this.#asking = undefined));
    return side;
  }

  /** Ends it in good order: what was sent before arrives. */
  async close(): Promise<void> {
    if (this.isLost) return;
    const closed = this.#client.close();
    await this.answer("close", closed).catch(() => undefined);
    this.lose(new JobferryError("CLOSED", "This driver is closed."));
  }
}

export type Ask = (question: (channel: AmqpChannel) => Promise<unknown>) => Promise<unknown>;

export type ConfirmConnection = Connection<AmqpConfirmChannel>;

/** From here on AMQP's numbers are faults of the connection or the server. Smaller ones refuse what was asked, and would again. */
const FAULTS = 500;

/** AMQP's closes have a number, and the client tells of no error when an operator or a shutdown closes a connection. What sockets tell of has a name. */
function isAnnounced(reason: unknown): boolean {
  if (reason === undefined) return true;
  const code = typeof reason === "object" && reason !== null && "code" in reason ? reason.code : undefined;
  return typeof code === "number" && code >= FAULTS && code !== NOT_ALLOWED;
}

/** A half-open connection never answers its own close: amqplib's socket is ended where it can be reached. */
function destroySocket({ connection }: AmqpClient): void {
  const { stream } = connection as Readonly<{ stream?: unknown }>;
  if (typeof stream === "object" && stream !== null && "destroy" in stream && typeof stream.destroy === "function")
    stream.destroy();
}

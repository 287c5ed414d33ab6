import type { Clock } from "../../contract/index.ts";
import { JobferryError } from "../../errors/index.ts";
import { sleep } from "../../runtime/index.ts";
import type { AmqpChannel, AmqpClient } from "./client.ts";
import { Connection } from "./connection.ts";
import { OWN_PORT } from "./errors.ts";
import { openClient } from "./load-client.ts";
import type { Settings } from "./options.ts";

/**
 * Makes a connection when one is needed and there is none. It does not retry by itself: who calls again (a worker's fetch, a push) tries again, so a
 * server that is back is found by the next call.
 */
export class Link<Channel extends AmqpChannel = AmqpChannel> {
  readonly #settings: Settings;
  readonly #clock: Clock;
  readonly #makeChannel: (client: AmqpClient) => Promise<Channel>;
  readonly #onOpen: (connection: Connection<Channel>) => void;
  #made = 0;
  #connection: Connection<Channel> | undefined;
  #connecting: Promise<Connection<Channel>> | undefined;
  #isClosed = false;

  constructor(
    settings: Settings,
    clock: Clock,
    makeChannel: (client: AmqpClient) => Promise<Channel>,
    onOpen: (connection: Connection<Channel>) => void,
  ) {
    this.#settings = settings;
    this.#clock = clock;
    this.#makeChannel = makeChannel;
    this.#onOpen = onOpen;
  }

  /** The connection that lives now. */
  get current(): Connection<Channel> | undefined {
    return this.#connection?.isLost === false ? this.#connection : undefined;
  }

  /** @throws CLOSED; UNAVAILABLE after `connectTimeout`; what connecting throws. */
  get(): Promise<Connection<Channel>> {
    if (this.#isClosed) return Promise.reject(new JobferryError("CLOSED", "This driver is closed."));
    const { current } = this;
    if (current !== undefined) return Promise.resolve(current);
    this.#connecting ??= this.#connect().finally(() => (this.#connecting = undefined));
    return this.#connecting;
  }

  async #connect(): Promise<Connection<Channel>> {
    const opening = this.#open();
    const over = new AbortController();
    let gaveUp = false;
    const late = sleep(this.#clock, this.#settings.connectMs, over.signal).then((end) => {
      if (end === "aborted") return opening;
      gaveUp = true;
      const { connectMs, place } = this.#settings;
      const server = place === undefined ? "RabbitMQ" : `RabbitMQ at ${place}`;
      throw new JobferryError(
        "UNAVAILABLE",
        `${server} did not answer within ${connectMs} ms. Look whether it hangs, and ${OWN_PORT}.`,
        { retryable: true },
      );
    });
    late.catch(() => undefined);
    // What comes after nobody waits any more must not stay open.
    opening.then(
      (connection) => (gaveUp || this.#isClosed ? connection.close() : undefined),
      () => undefined,
    );
    try {
      const connection = await Promise.race([opening, late]);
      if (this.#isClosed) throw new JobferryError("CLOSED", "This driver is closed.");
      this.#connection = connection;
      this.#onOpen(connection);
      return connection;
    } finally {
      over.abort();
    }
  }

  async #open(): Promise<Connection<Channel>> {
    const client = await openClient(this.#settings);
    this.#made += 1;
    return Connection.open(client, this.#makeChannel, this.#made, this.#clock, this.#settings.answerMs);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#connecting?.catch(() => undefined);
    await this.#connection?.close();
  }
}

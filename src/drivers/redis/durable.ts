import { JobferryError } from "../../errors/index.ts";
import type { RedisConnection } from "./clients/connection.ts";
import { isDemoted } from "./errors.ts";
import type { Partition } from "./keys.ts";
import type { RedisStore } from "./store.ts";

/**
 * Writes that wait until the server has them on its disk, or replicas have them: WAITAOF and WAIT wait for the newest write of their own
 * connection and hold up everything behind them on it, so these writes have one of their own.
 */
export class Durable {
  readonly connection: RedisConnection;
  readonly #store: RedisStore;
  readonly #fsync: boolean;
  readonly #replicas: number;
  readonly #waitMs: number;

  constructor(
    store: RedisStore,
    connection: RedisConnection,
    wanted: Readonly<{ fsync: boolean; replicas: number; waitMs: number }>,
  ) {
    this.#store = store;
    this.connection = connection;
    this.#fsync = wanted.fsync;
    this.#replicas = wanted.replicas;
    this.#waitMs = wanted.waitMs;
  }

  /** `run` writes over `connection`. @throws UNAVAILABLE (retryable) when it was not confirmed in time: what was written may stay or not. */
  async write({ route }: Partition, run: () => Promise<unknown>): Promise<unknown> {
    const { connection } = this;
    const node = await this.#store.nodeFor(route, connection);
    if (node === undefined) throw this.#unconfirmed();
    const { losses } = connection;
    const reply = await run();
    const replicas = String(this.#replicas);
    // The server gives up before we do, so that a late answer leaves nothing behind.
    const timeout = String(Math.max(1, Math.floor(this.#waitMs * 0.8)));
    const command = this.#fsync ? ["WAITAOF", "1", replicas, timeout] : ["WAIT", replicas, timeout];
    const confirmed = await this.#store.sendTo(node, command, connection).catch((error: unknown) => {
      // A server that has just become a replica refuses to wait, after the write.
      throw isDemoted(error) ? this.#unconfirmed(error) : error;
    });
    // A connection that has written nothing waits for nothing: it must be the one on which the push went.
    const isSame =
      connection.losses === losses && (await this.#store.nodeFor(route, connection))?.identity === node.identity;
    if (!isSame || !this.#isEnough(confirmed)) throw this.#unconfirmed();
    return reply;
  }

  #isEnough(confirmed: unknown): boolean {
    if (!this.#fsync) return Number(confirmed) >= this.#replicas;
    const [local, replicas] = confirmed as readonly [number, number];
    return local >= 1 && replicas >= this.#replicas;
  }

  #unconfirmed(cause?: unknown): JobferryError {
    const wanted =
      this.#replicas === 0 ? "its disk" : `${this.#fsync ? "its disk and " : ""}${this.#replicas} replicas`;
    return new JobferryError(
      "UNAVAILABLE",
      `${this.#store.shown} did not confirm in time that what was written has reached ${wanted}.`,
      { retryable: true, ...(cause === undefined ? {} : { cause }) },
    );
  }
}

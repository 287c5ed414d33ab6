import type { DriverContext } from "../../contract/index.ts";
import { systemClock } from "../../runtime/index.ts";
import type { Argument, RedisConnection, RedisNode } from "./clients/connection.ts";
import { isConnectionError, isNoScript, noAnswer } from "./errors.ts";
import type { Partition } from "./keys.ts";
import type { Settings } from "./options.ts";
import type { Script } from "./script.ts";

export type CallOptions = Readonly<{
  /** Default: the connection for everything that neither blocks nor waits for a disk. */
  connection?: RedisConnection;
  /** Told what came after the time for it was over. */
  late?: (reply: unknown) => void;
}>;

/** Whoever waits for the network waits in real time, also where the jobs' time is a test's. */
export function within<T>(
  promise: Promise<T>,
  milliseconds: number,
  tooLate: () => Error,
  late?: (value: T) => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    let over = false;
    const timer = systemClock.timer(milliseconds, () => {
      over = true;
      reject(tooLate());
    });
    promise.then(
      (value) => {
        if (over) return late?.(value);
        timer.cancel();
        resolve(value);
      },
      (error: unknown) => {
        timer.cancel();
        reject(error as Error);
      },
    );
  });
}

/** Sends scripts over one connection, each call within its time. */
export class RedisStore {
  readonly connection: RedisConnection;
  readonly partitions: readonly Partition[];
  readonly context: DriverContext;
  /** The address without secrets. */
  readonly shown: string;
  readonly #commandMs: number;
  readonly #time: Settings["time"];

  constructor(
    parts: Readonly<{
      connection: RedisConnection;
      partitions: readonly Partition[];
      context: DriverContext;
      shown: string;
      commandMs: number;
      time: Settings["time"];
    }>,
  ) {
    this.connection = parts.connection;
    this.partitions = parts.partitions;
    this.context = parts.context;
    this.shown = parts.shown;
    this.#commandMs = parts.commandMs;
    this.#time = parts.time;
  }

  call(script: Script, partition: Partition, args: readonly Argument[], options: CallOptions = {}): Promise<unknown> {
    const { connection = this.connection, late } = options;
    const now = this.#time === "clock" ? String(this.context.clock.now()) : "";
    const { route, absent, tag } = partition;
    // Scripts touch keys that are not named here. In a slot that is being moved they would stop in their middle, at the first key that is not there.
    const keys = connection.kind === "cluster" ? ["2", route, absent] : ["1", route];
    return this.#bounded(connection, this.#run(connection, script, partition, [...keys, tag, now, ...args]), late);
  }

  /** A plain command. */
  send(args: readonly Argument[], key: string, connection: RedisConnection = this.connection): Promise<unknown> {
    return this.#bounded(connection, connection.send(args, key));
  }

  /** A number as the server keeps it; 0 where there is none. */
  async digits(args: readonly Argument[], key: string): Promise<string> {
    const reply = await this.send(args, key);
    return reply instanceof Uint8Array ? Buffer.from(reply).toString() : "0";
  }

  async #run(
    connection: RedisConnection,
    script: Script,
    { route }: Partition,
    rest: readonly Argument[],
  ): Promise<unknown> {
    try {
      return await connection.send(["EVALSHA", script.sha, ...rest], route);
    } catch (error) {
      if (isNoScript(error)) return connection.send(["EVAL", script.text, ...rest], route);
      // That nothing can be sent says less than why there is no connection.
      const { lastError } = connection;
      if (isConnectionError(error) && /writeable|offline|isn't ready/.test(String(error)) && lastError !== undefined)
        throw lastError;
      throw error;
    }
  }

  /** Who serves this key now, over that connection. */
  nodeFor(key: string, connection: RedisConnection): Promise<RedisNode | undefined> {
    return this.#bounded(connection, connection.node(key));
  }

  /** What waits for a write of the same connection to that node. */
  sendTo(node: RedisNode, args: readonly Argument[], connection: RedisConnection): Promise<unknown> {
    return this.#bounded(connection, node.send(args));
  }

  #bounded<T>(connection: RedisConnection, promise: Promise<T>, late?: (value: T) => void): Promise<T> {
    const { answers } = connection;
    const tooLate = (): Error => {
      // Nothing came at all: the other end may be gone without a word. In a cluster another node's answers say nothing about this one.
      if (connection.answers === answers || connection.kind === "cluster") connection.renew();
      return noAnswer(this.shown, this.#commandMs);
    };
    return within(promise, this.#commandMs, tooLate, late);
  }
}

import { JobferryError } from "../../../errors/index.ts";
import { Deferred } from "../../../runtime/index.ts";
import type { NodeRedisClient } from "./client-types.ts";
import type { Argument, RedisConnection } from "./connection.ts";

/** RESP's type bytes of blob and verbatim strings, as node-redis numbers them: these come as bytes. */
const BYTES = { typeMapping: { 36: Buffer, 61: Buffer } } as const;

/** Settings of node-redis that this driver relies on where it makes the client itself. */
export const NODE_REDIS_SETTINGS = {
  // A command that cannot be sent fails at once, so that core can repeat it.
  disableOfflineQueue: true,
} as const;

/** What trying again does not mend: then opening need not wait for its time to pass. */
const REFUSED = /^(WRONGPASS|NOAUTH|NOPERM|ERR invalid password)|certificate|self[- ]signed|wrong version number/i;

export const reconnectAfter = (retries: number): number => Math.min(50 * (retries + 1), 1_000);

type Options = readonly (string | Buffer)[];
type Single = Readonly<{ sendCommand(args: Options, options: typeof BYTES): Promise<unknown> }>;
type Sentinel = Readonly<{ sendCommand(readonly: boolean, args: Options, options: typeof BYTES): Promise<unknown> }>;
type Cluster = Readonly<{
  sendCommand(key: string, readonly: boolean, args: Options, options: typeof BYTES): Promise<unknown>;
}>;
/** The client with the arguments that are used. */
type Client = Readonly<{
  options?: Readonly<{ keyPrefix?: unknown }>;
  isOpen: boolean;
  isReady?: boolean;
  duplicate(overrides?: object): NodeRedisClient;
  connect(): Promise<unknown>;
  destroy(): unknown;
  subscribe(channel: string, told: (message: string) => void): Promise<unknown>;
  on(event: string, listener: (error: unknown) => void): unknown;
  off(event: string, listener: (error: unknown) => void): unknown;
}>;

function kindOf(client: NodeRedisClient): RedisConnection["kind"] {
  if ("masters" in client || "slots" in client) return "cluster";
  return "getMasterNode" in client || "acquire" in client ? "sentinel" : "single";
}

export class NodeRedisConnection implements RedisConnection {
  readonly kind: RedisConnection["kind"];
  losses = 0;
  lastError: unknown;
  readonly #client: Client;
  readonly #own: boolean;
  readonly #onError = (error: unknown): void => {
    this.lastError = error;
    this.losses += 1;
    if (error instanceof Error && REFUSED.test(error.message)) this.#refused?.reject(error);
  };
  #refused: Deferred<never> | undefined;

  constructor(redis: NodeRedisClient, own: boolean) {
    const client = redis as unknown as Client;
    this.#client = client;
    this.#own = own;
    this.kind = kindOf(redis);
    if (client.options?.keyPrefix) {
      throw new JobferryError(
        "INVALID_ARGUMENT",
        "The redis client has a keyPrefix, which scripts do not see. Hand in one without it, and use the option prefix.",
      );
    }
    // Without a listener an error of the connection ends the process.
    client.on("error", this.#onError);
  }

  send(args: readonly Argument[], key: string): Promise<unknown> {
    const list = args.map((arg) =>
      typeof arg === "string" ? arg : Buffer.from(arg.buffer, arg.byteOffset, arg.length),
    );
    switch (this.kind) {
      case "cluster":
        return (this.#client as unknown as Cluster).sendCommand(key, false, list, BYTES);
      case "sentinel":
        return (this.#client as unknown as Sentinel).sendCommand(false, list, BYTES);
      case "single":
        return (this.#client as unknown as Single).sendCommand(list, BYTES);
    }
  }

  async duplicate(): Promise<RedisConnection> {
    const copy = this.#client.duplicate();
    const connection = new NodeRedisConnection(copy, true);
    try {
      await connection.ready();
    } catch (error) {
      connection.close();
      throw error;
    }
    return connection;
  }

  async subscribe(channel: string, told: (message: string) => void): Promise<void> {
    await this.#client.subscribe(channel, told);
  }

  async ready(): Promise<void> {
    if (!this.#client.isOpen) await this.#connect();
    if (this.#client.isReady === false) await this.#becomesReady();
  }

  async #connect(): Promise<void> {
    this.#refused = new Deferred<never>();
    const connecting = this.#client.connect();
    connecting.catch(() => undefined); // it goes on after it was refused, until it is closed
    try {
      await Promise.race([connecting, this.#refused.promise]);
    } finally {
      this.#refused = undefined;
    }
  }

  #becomesReady(): Promise<void> {
    return new Promise((resolve) => {
      const onReady = (): void => {
        this.#client.off("ready", onReady);
        resolve();
      };
      this.#client.on("ready", onReady);
    });
  }

  close(): void {
    if (!this.#own) return void this.#client.off("error", this.#onError);
    // The listener stays: what an ending connection still tells must not end the process.
    if (!this.#client.isOpen) return;
    const ended = this.#client.destroy();
    if (ended instanceof Promise) ended.catch(() => undefined);
  }
}

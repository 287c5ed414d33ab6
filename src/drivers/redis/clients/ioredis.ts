import { JobferryError } from "../../../errors/index.ts";
import type { IoredisClient } from "./client-types.ts";
import type { Argument, RedisConnection } from "./connection.ts";

/** Settings of ioredis that this driver relies on where it makes the client itself. */
export const IOREDIS_SETTINGS = {
  lazyConnect: true,
  // A command that cannot be sent fails at once, so that core can repeat it; one that was sent is never sent twice.
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: null,
  retryStrategy: (times: number): number => Math.min(50 * times, 1_000),
  // After a fail-over the old primary answers READONLY: ask who is primary again.
  reconnectOnError: (error: Error): boolean => error.message.startsWith("READONLY"),
} as const;

export const IOREDIS_CLUSTER_SETTINGS = {
  lazyConnect: true,
  // A cluster client refuses commands for a node whose connection is still being made, unless it may queue them.
  enableOfflineQueue: true,
  // Otherwise it sends a command again whose connection broke after it was sent. Then it does not ask who took over either.
  retryDelayOnFailover: 0,
  slotsRefreshTimeout: 2_000,
  slotsRefreshInterval: 2_000,
  clusterRetryStrategy: (times: number): number => Math.min(50 * times, 1_000),
} as const;

/** The client with the arguments that are used. */
type Client = Readonly<{
  status: string;
  isCluster?: boolean;
  options?: Readonly<{ keyPrefix?: string; sentinels?: unknown; redisOptions?: Readonly<{ keyPrefix?: string }> }>;
  callBuffer(command: string, args: readonly Argument[]): Promise<unknown>;
  duplicate(first?: unknown, second?: unknown): IoredisClient;
  connect(): Promise<unknown>;
  disconnect(): void;
  subscribe(channel: string): Promise<unknown>;
  on(event: string, listener: (first: unknown, second?: unknown) => void): unknown;
  off(event: string, listener: (error: unknown) => void): unknown;
}>;

export class IoredisConnection implements RedisConnection {
  readonly kind: RedisConnection["kind"];
  losses = 0;
  lastError: unknown;
  readonly #client: Client;
  readonly #own: boolean;
  readonly #onError = (error: unknown): void => void (this.lastError = withoutCommand(error));
  readonly #onLoss = (): void => void (this.losses += 1);

  constructor(ioredis: IoredisClient, own: boolean) {
    const client = ioredis as unknown as Client;
    this.#client = client;
    this.#own = own;
    const { isCluster, options } = client;
    if ((options?.keyPrefix ?? options?.redisOptions?.keyPrefix ?? "") !== "") {
      throw new JobferryError(
        "INVALID_ARGUMENT",
        "The ioredis client has a keyPrefix, which scripts do not see. Hand in one without it, and use the option prefix.",
      );
    }
    this.kind = isCluster === true ? "cluster" : options?.sentinels ? "sentinel" : "single";
    // Without a listener ioredis prints every failed attempt to connect.
    client.on("error", this.#onError);
    client.on("close", this.#onLoss);
    client.on("node error", this.#onLoss);
  }

  send(args: readonly Argument[]): Promise<unknown> {
    const [command, ...rest] = args;
    return this.#client.callBuffer(String(command), rest).catch((error: unknown) => {
      throw withoutCommand(error);
    });
  }

  async duplicate(purpose: "blocking" | "durable"): Promise<RedisConnection> {
    const client = this.#client;
    const settings = { ...IOREDIS_SETTINGS, enableOfflineQueue: purpose === "blocking" };
    const copy =
      this.kind === "cluster"
        ? client.duplicate([], { ...IOREDIS_CLUSTER_SETTINGS })
        : client.duplicate({ ...settings });
    const connection = new IoredisConnection(copy, true);
    try {
      await connection.ready();
    } catch (error) {
      connection.close();
      throw error;
    }
    return connection;
  }

  async subscribe(channel: string, told: (message: string) => void): Promise<void> {
    this.#client.on("message", (_channel, message) => told(String(message)));
    await this.#client.subscribe(channel);
  }

  async ready(): Promise<void> {
    const { status } = this.#client;
    if (status === "ready") return;
    if (status === "wait" || status === "end") {
      // What connect() itself rejects with says nothing; the error event before it does.
      await this.#client.connect().catch((error: unknown) => {
        throw this.lastError ?? error;
      });
      return;
    }
    await this.#becomesReady();
  }

  #becomesReady(): Promise<void> {
    const client = this.#client;
    return new Promise((resolve, reject) => {
      const onReady = (): void => {
        client.off("end", onEnd);
        client.off("ready", onReady);
        resolve();
      };
      const onEnd = (): void => {
        client.off("ready", onReady);
        client.off("end", onEnd);
        reject(this.lastError ?? new JobferryError("UNAVAILABLE", "The connection ended.", { retryable: true }));
      };
      client.on("ready", onReady);
      client.on("end", onEnd);
    });
  }

  close(): void {
    this.#client.off("close", this.#onLoss);
    this.#client.off("node error", this.#onLoss);
    if (this.#own) this.#client.disconnect();
    else this.#client.off("error", this.#onError);
  }
}

/** An error of ioredis carries the command with its arguments: payloads, and for AUTH the password. Whoever prints the error must not print these. */
function withoutCommand(error: unknown): unknown {
  if (typeof error === "object" && error !== null) Reflect.deleteProperty(error, "command");
  return error;
}

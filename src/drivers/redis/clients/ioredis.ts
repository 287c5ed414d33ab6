import type { Timer } from "../../../contract/index.ts";
import { JobferryError } from "../../../errors/index.ts";
import { systemClock } from "../../../runtime/index.ts";
import type { IoredisClient } from "./client-types.ts";
import { GREETING_MS } from "./connection.ts";
import type { Argument, RedisConnection, RedisNode } from "./connection.ts";

/** Settings of ioredis that this driver relies on where it makes the client itself. */
export const IOREDIS_SETTINGS = {
  lazyConnect: true,
  // A command that cannot be sent fails at once, so that core can repeat it; one that was sent is never sent twice.
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  // ioredis subscribes again without a handler: a connection that breaks meanwhile would be an unhandled rejection. See `subscribe`.
  autoResubscribe: false,
  // Commands under way fail with their connection. With null, and nothing sent again, ioredis forgets them: they never settle.
  maxRetriesPerRequest: 0,
  retryStrategy: (times: number): number => Math.min(50 * times, 1_000),
  // After a fail-over the old primary answers READONLY: ask who is primary again.
  reconnectOnError: (error: Error): boolean => error.message.startsWith("READONLY"),
} as const;

export const IOREDIS_SENTINEL_SETTINGS = {
  // A sentinel that takes connections and says nothing would be asked for ever.
  sentinelCommandTimeout: 2_000,
  // An old primary that does not know yet has no replicas any more, which it tells where min-replicas-to-write is set.
  reconnectOnError: (error: Error): boolean => /^(READONLY|NOREPLICAS)\b/.test(error.message),
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

type Node = Readonly<{
  options: Readonly<{ host?: string; port?: number }>;
  callBuffer(command: string, args: readonly Argument[]): Promise<unknown>;
  on(event: "close", listener: () => void): unknown;
  off(event: "close", listener: () => void): unknown;
}>;
/** The client with the arguments that are used. */
type Client = Readonly<{
  status: string;
  isCluster?: boolean;
  options?: Readonly<{
    keyPrefix?: string;
    sentinels?: unknown;
    db?: number;
    redisOptions?: Readonly<{ keyPrefix?: string }>;
  }>;
  callBuffer(command: string, args: readonly Argument[]): Promise<unknown>;
  duplicate(first?: unknown, second?: unknown): IoredisClient;
  connect(): Promise<unknown>;
  disconnect(reconnect?: boolean): void;
  subscribe(channel: string): Promise<unknown>;
  on(event: string, listener: (first: unknown, second?: unknown) => void): unknown;
  off(event: string, listener: (error: unknown) => void): unknown;
  /** Of a cluster: `host:port` of the primary and its replicas by slot. */
  slots?: readonly (readonly string[] | undefined)[];
  nodes?(role: "master" | "all"): readonly Node[];
}>;

export class IoredisConnection implements RedisConnection {
  readonly kind: RedisConnection["kind"];
  losses = 0;
  answers = 0;
  lastError: unknown;
  readonly #client: Client;
  readonly #own: boolean;
  readonly #opening = new Set<RedisConnection>();
  readonly #slots = new Map<string, number>();
  #greeting: Timer | undefined;
  #closed = false;
  readonly #onError = (error: unknown): void => void (this.lastError = withoutCommand(refusalIn(error)));
  readonly #onLoss = (): void => {
    this.losses += 1;
    this.#greeting?.cancel();
  };
  /** A cluster client tells only of a connection that broke, not of one that the server ended, and sends again all the same. */
  readonly #onNode = (node: unknown): void => void (node as Node).on("close", this.#onLoss);
  readonly #onReady = (): void => {
    // Why it was away says nothing of why it will be the next time.
    this.lastError = undefined;
    this.#greeting?.cancel();
  };
  readonly #onConnect = (): void => {
    this.#greeting?.cancel();
    this.#greeting = systemClock.timer(GREETING_MS, () => {
      if (this.#client.status === "connect") this.#client.disconnect(true);
    });
  };

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
    client.on("+node", this.#onNode);
    for (const node of client.nodes?.("all") ?? []) this.#onNode(node);
    client.on("ready", this.#onReady);
    if (!own || this.kind === "cluster") return;
    client.on("connect", this.#onConnect);
  }

  async send(args: readonly Argument[]): Promise<unknown> {
    // A cluster client without a connection keeps commands for later, however many come.
    if (this.kind === "cluster" && this.#own && this.#client.status !== "ready") throw new Error("Cluster isn't ready");
    return this.#call(this.#client, args);
  }

  async #call(client: Pick<Client, "callBuffer">, args: readonly Argument[]): Promise<unknown> {
    const [command, ...rest] = args;
    try {
      const reply = await client.callBuffer(String(command), rest);
      this.answers += 1;
      return reply;
    } catch (error) {
      if (isReply(error)) this.answers += 1;
      throw withoutCommand(error);
    }
  }

  async node(key: string): Promise<RedisNode | undefined> {
    const client = this.#client;
    if (this.kind !== "cluster") return { identity: client, send: (args) => this.#call(client, args) };
    let slot = this.#slots.get(key);
    if (slot === undefined) {
      slot = Number(await this.send(["CLUSTER", "KEYSLOT", key]));
      this.#slots.set(key, slot);
    }
    const address = client.slots?.[slot]?.[0];
    const node = client.nodes?.("master").find(({ options: { host, port } }) => `${host}:${port}` === address);
    return node && { identity: node, send: (args) => this.#call(node, args) };
  }

  async duplicate(purpose: "blocking" | "durable"): Promise<RedisConnection> {
    const client = this.#client;
    if (this.#closed) throw new JobferryError("CLOSED", "The connection is closed.");
    const ofKind = this.kind === "sentinel" ? IOREDIS_SENTINEL_SETTINGS : {};
    const settings = { ...IOREDIS_SETTINGS, ...ofKind, enableOfflineQueue: purpose === "blocking" };
    const copy =
      this.kind === "cluster"
        ? client.duplicate([], { ...IOREDIS_CLUSTER_SETTINGS })
        : client.duplicate({ ...settings });
    const connection = new IoredisConnection(copy, true);
    this.#opening.add(connection);
    try {
      await connection.ready();
    } catch (error) {
      connection.close();
      throw error;
    } finally {
      this.#opening.delete(connection);
    }
    return connection;
  }

  async subscribe(channel: string, told: (message: string) => void): Promise<void> {
    this.#client.on("message", (_channel, message) => told(String(message)));
    await this.#client.subscribe(channel);
    // A cluster client does that itself. What fails here mostly fails with its connection, and the next one is ready again; who watches hears
    // nothing of anything else, and comes for a new connection.
    if (this.kind === "cluster") return;
    this.#client.on("ready", () => void this.#client.subscribe(channel).catch(() => undefined));
  }

  async ready(): Promise<void> {
    await this.#connected();
    const { db = 0 } = this.#client.options ?? {};
    // ioredis swallows the refusal of a database that the server does not have, and goes on in database 0.
    if (this.#own && this.kind !== "cluster" && db > 0) await this.send(["SELECT", String(db)]);
  }

  async #connected(): Promise<void> {
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

  renew(): void {
    // While it connects there is nothing to give up, and a client of Sentinel that is disturbed then ends for good.
    if (this.#own && !this.#closed && this.#client.status === "ready") this.#client.disconnect(true);
  }

  close(): void {
    this.#closed = true;
    this.#greeting?.cancel();
    for (const one of this.#opening) one.close();
    const client = this.#client;
    client.off("close", this.#onLoss);
    client.off("node error", this.#onLoss);
    client.off("+node", this.#onNode);
    for (const node of client.nodes?.("all") ?? []) node.off("close", this.#onLoss);
    client.off("connect", this.#onConnect);
    client.off("ready", this.#onReady);
    if (!this.#own) return void client.off("error", this.#onError);
    // A cluster client that is ended while it asks for the slots goes on asking for ever. So it asks no more.
    if (this.kind === "cluster") Object.assign(client, { refreshSlotsCache: () => undefined });
    client.disconnect();
  }
}

/** The server's own word, so the connection is there. */
function isReply(error: unknown): error is Error {
  return error instanceof Error && error.name === "ReplyError";
}

/** A cluster client that no node would have says only that it has no slots; why the last one would not lies in it. */
function refusalIn(error: unknown): unknown {
  const { lastNodeError } = (error ?? {}) as Readonly<{ lastNodeError?: unknown }>;
  return isReply(lastNodeError) && /^(WRONGPASS|NOAUTH|NOPERM|ERR invalid password)\b/.test(lastNodeError.message)
    ? lastNodeError
    : error;
}

/** An error of ioredis carries the command with its arguments: payloads, and for AUTH the password. Whoever prints the error must not print these. */
function withoutCommand(error: unknown): unknown {
  if (typeof error !== "object" || error === null) return error;
  Reflect.deleteProperty(error, "command");
  if ("lastNodeError" in error) withoutCommand(error.lastNodeError);
  return error;
}

import type { Timer } from "../../../contract/index.ts";
import { JobferryError } from "../../../errors/index.ts";
import { Deferred, settledWithin, sleep, systemClock } from "../../../runtime/index.ts";
import { isNobodyThere } from "../errors.ts";
import type { NodeRedisClient } from "./client-types.ts";
import { GREETING_MS } from "./connection.ts";
import type { Argument, RedisConnection, RedisNode } from "./connection.ts";
import { unshared } from "./node-addresses.ts";
import { tellingRepeats, type Sentinel } from "./sentinel-repeats.ts";

/** RESP's type bytes of blob and verbatim strings, as node-redis numbers them: these come as bytes. */
const BYTES = { typeMapping: { 36: Buffer, 61: Buffer } } as const;

/** Settings of node-redis that this driver relies on where it makes the client itself. */
export const NODE_REDIS_SETTINGS = {
  // A command that cannot be sent fails at once, so that core can repeat it.
  disableOfflineQueue: true,
} as const;

/** Otherwise it hides that the connection to the primary was lost, and sends again what was under way. */
export const NODE_REDIS_SENTINEL_SETTINGS = { passthroughClientErrorEvents: true } as const;
/** Of connections to sentinels: one that takes connections and says nothing is left. */
export const SENTINEL_SETTINGS = { pingInterval: 2_000 } as const;
export const SENTINEL_SILENCE_MS = 5_000;

const RENEW_PAUSE_MS = 500;

/** What trying again does not mend: then opening need not wait for its time to pass. */
const REFUSED =
  /^(WRONGPASS|NOAUTH|NOPERM|ERR invalid password)|DB index|certificate|self[- ]signed|wrong version number|Unknown RESP type/i;

export const reconnectAfter = (retries: number): number => Math.min(50 * (retries + 1), 1_000);

type Words = readonly (string | Buffer)[];
type Single = Readonly<{ sendCommand(args: Words, options: typeof BYTES): Promise<unknown> }>;
type Cluster = Readonly<{
  slots: readonly (Readonly<{ master: object }> | undefined)[];
  nodeClient(node: object): Single | Promise<Single>;
  sendCommand(key: string, readonly: boolean, args: Words, options: typeof BYTES): Promise<unknown>;
}>;
type ClusterNode = Readonly<{ client?: Readonly<{ isOpen: boolean; destroy(): unknown }> }>;

/** The client with the arguments that are used. */
type Client = Readonly<{
  options?: Readonly<{ keyPrefix?: unknown }>;
  /** Of a cluster. */
  _keyPrefix?: unknown;
  /** Of a cluster, as they were handed to it. */
  _options?: object;
  isOpen: boolean;
  isReady?: boolean;
  duplicate(overrides?: object): NodeRedisClient;
  connect(): Promise<unknown>;
  destroy(): unknown;
  /** Of a cluster. */
  masters?: readonly ClusterNode[];
  replicas?: readonly ClusterNode[];
  pubSubNode?: ClusterNode | undefined;
  subscribe(channel: string, told: (message: string) => void): Promise<unknown>;
  on(event: string, listener: (error: unknown) => void): unknown;
  off(event: string, listener: (error: unknown) => void): unknown;
}>;

/** Told by a sentinel client or a cluster client in place of `error`, when the connection to one of the servers is lost or goes to another. */
const LOSSES = ["topology-change", "node-error", "node-disconnect"] as const;

function kindOf(client: NodeRedisClient): RedisConnection["kind"] {
  if ("masters" in client || "slots" in client) return "cluster";
  return "getMasterNode" in client || "acquire" in client ? "sentinel" : "single";
}

export class NodeRedisConnection implements RedisConnection {
  readonly kind: RedisConnection["kind"];
  losses = 0;
  answers = 0;
  lastError: unknown;
  #client: Client;
  readonly #own: boolean;
  readonly #opening = new Set<RedisConnection>();
  readonly #slots = new Map<string, number>();
  readonly #stop = new AbortController();
  #renewing = false;
  #greeting: Timer | undefined;
  #refused: Deferred<never> | undefined;
  /** Until the client is ready, or gives up by itself. */
  #connecting: Promise<unknown> | undefined;
  readonly #onError = (told: unknown): void => {
    // A sentinel client tells some of its errors as text, and its servers' as the cause of one that names the server.
    const error = typeof told === "string" ? new Error(told) : causeOf(told);
    this.lastError = error;
    this.losses += 1;
    this.#greeting?.cancel();
    if (error instanceof Error && (REFUSED.test(error.message) || this.#isGivenUp(error))) this.#refused?.reject(error);
  };
  readonly #onLoss = (): void => void (this.losses += 1);
  readonly #onReady = (): void => {
    // Why it was away says nothing of why it will be the next time.
    this.lastError = undefined;
    this.#greeting?.cancel();
  };
  readonly #onConnect = (): void => {
    this.#greeting?.cancel();
    this.#greeting = systemClock.timer(GREETING_MS, () => this.renew());
  };

  constructor(redis: NodeRedisClient, own: boolean) {
    const client = redis as unknown as Client;
    this.#client = client;
    this.#own = own;
    this.kind = kindOf(redis);
    if (client.options?.keyPrefix ?? client._keyPrefix) {
      throw new JobferryError(
        "INVALID_ARGUMENT",
        "The redis client has a keyPrefix, which scripts do not see. Hand in one without it, and use the option prefix.",
      );
    }
    this.#listen(client);
  }

  #listen(client: Client): void {
    // Without a listener an error of the connection ends the process.
    client.on("error", this.#onError);
    if (this.kind !== "single") for (const event of LOSSES) client.on(event, this.#onLoss);
    else {
      client.on("ready", this.#onReady);
      if (this.#own) client.on("connect", this.#onConnect);
    }
  }

  /** As ioredis does when it opens; a connection that was open goes on trying. A client of a group has other servers to try. */
  #isGivenUp(error: Error): boolean {
    return this.kind === "single" && isNobodyThere(error);
  }

  async send(args: readonly Argument[], key: string): Promise<unknown> {
    const words = wordsOf(args);
    const client: unknown = this.#client;
    switch (this.kind) {
      case "cluster":
        return this.#answered((client as Cluster).sendCommand(key, false, words, BYTES));
      case "sentinel":
        return this.#answered(tellingRepeats(client as Sentinel, this.#onLoss).sendCommand(false, words, BYTES));
      case "single":
        return this.#answered((client as Single).sendCommand(words, BYTES));
    }
  }

  async #answered(sent: Promise<unknown>): Promise<unknown> {
    try {
      const reply = await sent;
      this.answers += 1;
      return reply;
    } catch (error) {
      if (isReply(error)) this.answers += 1;
      throw error;
    }
  }

  async node(key: string): Promise<RedisNode | undefined> {
    const client: unknown = this.#client;
    if (this.kind !== "cluster") return { identity: this.#client, send: (args) => this.send(args, key) };
    let slot = this.#slots.get(key);
    if (slot === undefined) {
      slot = Number(await this.send(["CLUSTER", "KEYSLOT", key], key));
      this.#slots.set(key, slot);
    }
    const shard = (client as Cluster).slots[slot];
    if (shard === undefined) return undefined;
    const node = await (client as Cluster).nodeClient(shard.master);
    return { identity: node, send: (args) => this.#answered(node.sendCommand(wordsOf(args), BYTES)) };
  }

  async duplicate(): Promise<RedisConnection> {
    if (this.#stop.signal.aborted) throw new JobferryError("CLOSED", "The connection is closed.");
    // One connection to the primary: of several, WAIT and WAITAOF would wait on another one than that on which was written.
    const settings = this.kind === "sentinel" ? { ...NODE_REDIS_SENTINEL_SETTINGS, masterPoolSize: 1 } : {};
    const apart = this.kind === "cluster" ? unshared(this.#client._options) : {};
    const connection = new NodeRedisConnection(this.#client.duplicate({ ...settings, ...apart }), true);
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
    await this.#client.subscribe(channel, told);
  }

  async ready(): Promise<void> {
    if (!this.#client.isOpen) await this.#connect();
    if (this.kind === "single" && this.#client.isReady === false) await this.#becomesReady();
  }

  async #connect(): Promise<void> {
    this.#refused = new Deferred<never>();
    const connecting = this.#client.connect();
    this.#connecting = connecting;
    const settled = (): void => void (this.#connecting = undefined);
    connecting.then(settled, settled); // it goes on after it was refused, until it is closed
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

  renew(): void {
    if (!this.#own || this.#renewing || this.#stop.signal.aborted) return;
    this.#renewing = true;
    this.losses += 1;
    this.#reopen().then(
      () => void (this.#renewing = false),
      () => void (this.#renewing = false),
    );
  }

  /** A client of this library cannot be told to connect again: another one takes its place. */
  async #reopen(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const old = this.#client;
      this.#client = old.duplicate() as unknown as Client;
      this.#listen(this.#client);
      end(old);
      const connecting = this.#client.connect();
      connecting.catch(this.#onError);
      // One that takes connections and does not greet is left, too.
      const isOver = await settledWithin(systemClock, connecting, GREETING_MS);
      if (isOver && this.#client.isOpen) return;
      await sleep(systemClock, RENEW_PAUSE_MS, signal);
    }
  }

  close(): void {
    this.#stop.abort();
    this.#greeting?.cancel();
    for (const one of this.#opening) one.close();
    const client = this.#client;
    // Where it is ours the listener stays: what an ending connection still tells must not end the process.
    if (this.#own) return end(client);
    const unlisten = (): void => {
      client.off("error", this.#onError);
      client.off("ready", this.#onReady);
      for (const event of LOSSES) client.off(event, this.#onLoss);
    };
    // One that was handed in and that we began to connect goes on trying. An error that nobody hears would end that, and it would be open for ever and never ready.
    if (this.#connecting === undefined) unlisten();
    else this.#connecting.then(unlisten, unlisten);
  }
}

function end(client: Client): void {
  if (!client.isOpen) return;
  try {
    const ended = client.destroy();
    if (ended instanceof Promise) ended.catch(() => undefined);
  } catch {
    // Version 5.0.0 stops at the first node of a cluster whose connection has ended for good: the others one by one.
    const { masters = [], replicas = [], pubSubNode = {} } = client;
    for (const { client: node } of [...masters, ...replicas, pubSubNode]) if (node?.isOpen === true) node.destroy();
  }
}

function wordsOf(args: readonly Argument[]): Words {
  return args.map((arg) => (typeof arg === "string" ? arg : Buffer.from(arg.buffer, arg.byteOffset, arg.length)));
}

function causeOf(error: unknown): unknown {
  return error instanceof Error && error.cause instanceof Error ? error.cause : error;
}

/** The server's own word, so the connection is there. */
function isReply(error: unknown): boolean {
  return error instanceof Error && /^-?[A-Z]{2,}\b/.test(error.message);
}

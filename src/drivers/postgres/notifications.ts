import { createHash } from "node:crypto";
import type { Clock, Logger, Timer } from "../../contract/index.ts";
import type { PostgresClient } from "./client.ts";
import type { Connections, Statement } from "./connections.ts";
import { binaryArray } from "./arrays.ts";
import { quoted } from "./text.ts";

/** A transaction with NOTIFY holds a lock of the whole server over its commit, so pushes never hold one, and few are sent. */
const DEBOUNCE_MS = 20;
/** How long a notification to ourselves may take before LISTEN counts as not working. */
const PROBE_MS = 2_000;
const CHECK_MS = 30_000;
const RETRY_MS = 1_000;
/** Comes from nobody's driver, so that everybody heeds it. */
const ANYBODY = "*";

/** Identifiers are at most 63 bytes long; a schema's name may be. */
export function channelOf(schema: string): string {
  return `jobferry_${createHash("sha256").update(schema).digest("hex").slice(0, 16)}`;
}

export function anybodysMessage(): string {
  return `${ANYBODY} `;
}

/** Tells other processes which queues have something new: at once, then at most every 20 ms. A hint: what fails is not repeated. */
export class Announcements {
  readonly #send: (messages: readonly string[]) => Promise<unknown>;
  readonly #clock: Clock;
  readonly #tag: string;
  readonly #queues = new Set<string>();
  #pause: Timer | undefined;
  #sending: Promise<unknown> | undefined;

  constructor(connections: Connections, statement: Statement, channel: string, clock: Clock, tag: string) {
    this.#clock = clock;
    this.#tag = tag;
    this.#send = (messages) => connections.query(statement, [channel, binaryArray({ type: "text", values: messages })]);
  }

  announce(queue: string): void {
    this.#queues.add(queue);
    if (this.#pause === undefined && this.#sending === undefined) this.#flush();
  }

  /** Waits for what is on its way. */
  async close(): Promise<void> {
    this.#queues.clear();
    await this.#sending;
    this.#pause?.cancel();
  }

  #flush(): void {
    const messages = [...this.#queues].map((queue) => `${this.#tag} ${queue}`);
    this.#queues.clear();
    const sent = (): void => {
      this.#sending = undefined;
      this.#pause = this.#clock.timer(DEBOUNCE_MS, () => this.#rested(), { keepAlive: false });
    };
    this.#sending = this.#send(messages).then(sent, sent);
  }

  #rested(): void {
    this.#pause = undefined;
    if (this.#queues.size > 0) this.#flush();
  }
}

/** What a listener tells: a queue to look at, that anything may have come, and that a proxy keeps notifications from us. */
export type Heard = Readonly<{ queue: (name: string) => void; anything: () => void; deaf: () => void }>;

type Connection = { readonly client: PostgresClient; readonly lost: () => void };

/** One connection that listens while somebody waits. It is made again when it breaks; meanwhile polling finds what comes. */
export class Listener {
  readonly #connections: Connections;
  readonly #notify: Statement;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #channel: string;
  readonly #tag: string;
  readonly #heard: Heard;
  #wanted = false;
  #deaf = false;
  #probed = false;
  #connecting: Promise<void> | undefined;
  #connection: Connection | undefined;
  #timer: Timer | undefined;

  constructor(
    connections: Connections,
    notify: Statement,
    place: Readonly<{ channel: string; tag: string; clock: Clock; logger: Logger }>,
    heard: Heard,
  ) {
    this.#connections = connections;
    this.#notify = notify;
    this.#clock = place.clock;
    this.#logger = place.logger;
    this.#channel = place.channel;
    this.#tag = place.tag;
    this.#heard = heard;
  }

  start(): void {
    if (this.#wanted || this.#deaf) return;
    this.#wanted = true;
    this.#connect();
  }

  stop(): void {
    this.#wanted = false;
    this.#drop();
  }

  async close(): Promise<void> {
    this.stop();
    await this.#connecting;
  }

  #connect(): void {
    if (this.#connecting !== undefined || this.#connection !== undefined) return;
    this.#connecting = this.#listen()
      .catch(() => this.#again())
      .finally(() => {
        this.#connecting = undefined;
        if (!this.#wanted) this.#drop();
      });
  }

  async #listen(): Promise<void> {
    const client = await this.#connections.connect();
    const lost = (): void => {
      if (this.#connection?.client !== client) return;
      this.#drop();
      this.#again();
    };
    client.on("notification", this.#received as never);
    client.on("error", lost as never);
    client.on("end", lost as never);
    this.#connection = { client, lost };
    try {
      await this.#connections.answer(client, { text: `LISTEN ${quoted(this.#channel)}` });
      // Before it listened something may have come.
      this.#heard.anything();
      if (!this.#probed) await this.#probe(client);
    } catch (error) {
      this.#drop();
      throw error;
    }
    this.#timer?.cancel();
    if (this.#wanted && !this.#deaf)
      this.#timer = this.#clock.timer(CHECK_MS, () => this.#check(), { keepAlive: false });
  }

  /** A message to ourselves over another connection: behind a proxy that pools transactions it never arrives. */
  async #probe(client: PostgresClient): Promise<void> {
    const messages = binaryArray({ type: "text", values: [this.#tag] });
    await this.#connections.query(this.#notify, [this.#channel, messages]);
    this.#timer?.cancel();
    const end = this.#clock.monotonic() + PROBE_MS;
    while (!this.#probed && this.#wanted && this.#clock.monotonic() < end) {
      await new Promise<void>((resolve) => void this.#clock.timer(20, resolve, { keepAlive: false }));
    }
    // A process that was busy all the time has not read yet what came: it stands before the answer to this.
    if (!this.#probed && this.#wanted) await this.#connections.answer(client, { text: "SELECT 1" });
    if (this.#probed || !this.#wanted) return;
    this.#deaf = true;
    this.#drop();
    this.#logger.warn(
      { channel: this.#channel },
      "PostgreSQL's notifications do not arrive here (a proxy that pools transactions?), so consumers poll. Set `notify: false` to say that this is meant.",
    );
    this.#heard.deaf();
  }

  readonly #received = ({ channel, payload = "" }: Readonly<{ channel: string; payload?: string }>): void => {
    if (channel !== this.#channel) return;
    const space = payload.indexOf(" ");
    const from = space === -1 ? payload : payload.slice(0, space);
    if (from !== this.#tag) return this.#heard.queue(payload.slice(space + 1));
    if (space === -1) this.#probed = true;
  };

  /** Whether the connection still answers: one that was cut without a word tells nothing by itself. */
  #check(): void {
    const connection = this.#connection;
    if (connection === undefined) return;
    this.#connections.answer(connection.client, { text: "SELECT 1" }).then(
      () => {
        if (this.#connection !== connection) return;
        this.#timer = this.#clock.timer(CHECK_MS, () => this.#check(), { keepAlive: false });
      },
      () => connection.lost(),
    );
  }

  #again(): void {
    if (!this.#wanted || this.#deaf) return;
    this.#timer?.cancel();
    this.#timer = this.#clock.timer(RETRY_MS, () => this.#connect(), { keepAlive: false });
  }

  /** Thrown away, because it listens. */
  #drop(): void {
    this.#timer?.cancel();
    const connection = this.#connection;
    if (connection === undefined) return;
    this.#connection = undefined;
    const { client, lost } = connection;
    client.removeListener("notification", this.#received as never);
    client.removeListener("error", lost as never);
    client.removeListener("end", lost as never);
    client.release(true);
  }
}

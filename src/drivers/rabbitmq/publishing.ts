import { JobferryError } from "../../errors/index.ts";
import { Deferred, nextTurn } from "../../runtime/index.ts";
import type { AmqpConfirmChannel } from "./client.ts";
import type { ConfirmConnection } from "./connection.ts";
import type { Link } from "./link.ts";
import { messageIdOf } from "./message.ts";
import { overLimit, toldLimit } from "./message-limit.ts";
import type { MessageLimit } from "./message-limit.ts";
import { keyOf, watchReturns } from "./returns.ts";
import type { Awaiting } from "./returns.ts";

export type Outgoing = Readonly<{
  exchange: string;
  routingKey: string;
  body: Buffer;
  /** The server's own scale. */
  priority: number | undefined;
  id: string;
}>;

/** `unknown`: it was sent and nobody knows what became of it. */
export type Published = "confirmed" | "unknown" | Readonly<{ error: unknown }>;

/**
 * `isWanted`: asked just before a message is sent. `isPatient`: what was sent is waited for 5 minutes, also during an alarm, behind which the
 * server stores what it had read of it: whoever tried again before would store it twice.
 */
export type Manner = Readonly<{ isWanted?: () => boolean; isPatient?: boolean }>;

/** Well below the 30 minutes after which the server ends the connection that holds the original. */
const PATIENCE_MS = 300_000;

const ALWAYS = (): boolean => true;
const NOWHERE: Sent = { routingKey: "", id: "", bytes: 0 };

/** Nothing is written to the socket before this turn of the event loop ends, so after so many messages it ends: the server need not wait for all to be encoded. */
const PORTION = 100;

/**
 * Publishes with confirms on a connection that does nothing else: a server with a memory or disk alarm stops reading from connections that
 * publish, and acknowledgements must go on meanwhile. Every message is mandatory, so one that would reach no queue comes back instead of being dropped.
 */
export class Publishing {
  readonly #link: Link<AmqpConfirmChannel>;
  readonly #onUnroutable: () => void;
  #numbers = 0;
  readonly #limit: MessageLimit;

  constructor(link: Link<AmqpConfirmChannel>, limit: MessageLimit, onUnroutable: () => void) {
    this.#link = link;
    this.#limit = limit;
    this.#onUnroutable = onUnroutable;
  }

  /**
   * One answer for each of `count` messages, in order; resolves when the server has answered for each, or cannot any more. Throws only when nothing was sent.
   * A connection may have taken long to come. A message is taken from `messages` when it is its turn.
   */
  async publish(
    messages: Iterable<Outgoing>,
    count: number,
    { isWanted = ALWAYS, isPatient = false }: Manner = {},
  ): Promise<readonly Published[]> {
    if (count === 0) return [];
    const connection = this.#link.current ?? (await this.#link.get());
    const first = this.#numbers;
    this.#numbers += count;
    return new Batch(connection, count, first, this.#onUnroutable, isPatient, this.#limit).send(messages, isWanted);
  }
}

type Sent = Pick<Outgoing, "routingKey" | "id"> & Readonly<{ bytes: number }>;

/** The messages of one call on one connection. */
class Batch implements Awaiting {
  readonly #connection: ConfirmConnection;
  readonly #first: number;
  readonly #results: Published[];
  readonly #done = new Deferred();
  readonly #onUnroutable: () => void;
  /** What was sent, and where, by `keyOf` only when something comes back. */
  readonly #sentAs: Sent[] = [];
  /** Those without an answer, from the first return on: thousands may come at once, when a queue is gone. */
  #open: Map<string, Set<number>> | undefined;
  /** A confirm of these says nothing. */
  readonly #doubtful = new Set<number>();
  readonly #unwatchReturns: () => void;
  readonly #isPatient: boolean;
  readonly #limit: MessageLimit;
  #unanswered: number;
  #sent = 0;
  /** The connection was lost or blocked at some time, so answers may be missing. */
  #isCut = false;

  constructor(
    connection: ConfirmConnection,
    count: number,
    first: number,
    onUnroutable: () => void,
    isPatient: boolean,
    limit: MessageLimit,
  ) {
    this.#limit = limit;
    this.#connection = connection;
    this.#first = first;
    this.#isPatient = isPatient;
    this.#unanswered = count;
    this.#results = Array.from({ length: count }, () => "unknown");
    this.#onUnroutable = onUnroutable;
    // Until the last answer, also when nobody waits for it any more: whoever sends the job once more must not be told of this one.
    this.#unwatchReturns = watchReturns(connection, this);
  }

  /** A connection that is lost, or does not answer in time, leaves unknown what is open. */
  async send(messages: Iterable<Outgoing>, isWanted: () => boolean): Promise<readonly Published[]> {
    const connection = this.#connection;
    const unwatch = connection.watch((reason) => {
      this.#isCut = true;
      if (reason !== undefined || !this.#isPatient) this.#done.resolve();
    });
    try {
      await this.#sendAll(messages, isWanted).catch((error: unknown) => {
        // After the first one the others' fate must be told: what was not sent stays unknown.
        if (this.#sent === 0) {
          this.#unwatchReturns();
          throw error;
        }
        this.#landed(this.#results.length - this.#sent);
      });
      if (this.#unanswered > 0) await this.#answered();
    } finally {
      unwatch();
    }
    this.#refuseTooLarge(toldLimit(connection.lostBy));
    if (this.#isPatient) return this.#results.map((result, i) => (i < this.#sent ? result : { error: unsent() }));
    // A copy: what comes later must not change what was told.
    if (connection.blocked === undefined) return [...this.#results];
    return this.#results.map((result) => (result === "unknown" ? { error: full(connection.blocked) } : result));
  }

  /** What the server has closed the channel for would be unknown for ever, and end each channel that it is sent on. */
  #refuseTooLarge(told: number | undefined): void {
    if (told === undefined) return;
    this.#limit.told(told);
    for (const [i, { bytes }] of this.#sentAs.entries())
      if (bytes > told && this.#results[i] === "unknown") this.#results[i] = { error: overLimit(bytes, told) };
  }

  async #answered(): Promise<void> {
    // The watcher of one that was lost before is never called.
    if (this.#connection.isLost) return;
    const deadline = this.#isPatient
      ? this.#connection.timer(PATIENCE_MS, () => this.#done.resolve())
      : this.#connection.deadline("publisher confirms");
    await this.#done.promise;
    deadline.cancel();
  }

  /** What is not sent, because nobody wants it any more or the server takes no more, stays unknown. */
  async #sendAll(messages: Iterable<Outgoing>, isWanted: () => boolean): Promise<void> {
    for (const message of messages) {
      const isPortion = this.#sent % PORTION === 0;
      if (isPortion && this.#sent > 0) await new Promise<void>(nextTurn);
      if (isPortion && (this.#isCut || !isWanted() || this.#connection.blocked !== undefined)) break;
      // One by itself is not kept waiting.
      if (isPortion && this.#results.length > 1) this.#connection.writes.hold();
      this.#sendOne(this.#sent, message);
      this.#sent += 1;
    }
    this.#landed(this.#results.length - this.#sent);
  }

  #sendOne(i: number, { exchange, routingKey, body, priority, id }: Outgoing): void {
    const bytes = body.length;
    this.#sentAs.push({ routingKey, id, bytes });
    const limit = this.#limit.bytes;
    if (bytes > limit) {
      this.#results[i] = { error: overLimit(bytes, limit) };
      return this.#landed(1);
    }
    const messageId = messageIdOf(id);
    // Every byte is written to the server's disk: a number only where there is no name.
    const correlationId = messageId === undefined ? this.#number(i) : undefined;
    this.#open?.set(this.#keyOf(i), (this.#open.get(this.#keyOf(i)) ?? new Set()).add(i));
    const confirmed = (error: unknown): void => {
      this.#open?.get(this.#keyOf(i))?.delete(i);
      if (this.#results[i] !== "unknown") return this.#landed(1);
      const isConfirmed = error === null || error === undefined;
      if (isConfirmed && !this.#doubtful.has(i)) this.#results[i] = "confirmed";
      else if (isNack(error)) this.#results[i] = { error: full("reject-publish") };
      this.#landed(1);
    };
    const options = { persistent: true, mandatory: true, correlationId, priority, messageId };
    try {
      this.#connection.channel.publish(exchange, routingKey, body, options, confirmed);
    } catch (error) {
      // A channel that is closed throws before anything is sent.
      this.#results[i] = { error };
      this.#landed(1);
    }
  }

  #number(i: number): string {
    return String(this.#first + i);
  }

  #keyOf(i: number): string {
    const { routingKey, id } = this.#sentAs[i] ?? NOWHERE;
    return keyOf(routingKey, messageIdOf(id), this.#number(i));
  }

  open(key: string): readonly number[] {
    this.#open ??= this.#findOpen();
    return [...(this.#open.get(key) ?? [])];
  }

  #findOpen(): Map<string, Set<number>> {
    const open = new Map<string, Set<number>>();
    for (const i of this.#sentAs.keys()) {
      if (this.#results[i] !== "unknown") continue;
      const key = this.#keyOf(i);
      open.set(key, (open.get(key) ?? new Set()).add(i));
    }
    return open;
  }

  cameBack(i: number): void {
    this.#results[i] = { error: unroutable() };
    this.#open?.get(this.#keyOf(i))?.delete(i);
  }

  inDoubt(those: readonly number[] | "all"): void {
    for (const i of those === "all" ? this.#sentAs.keys() : those) this.#doubtful.add(i);
  }

  onUnroutable(): void {
    this.#onUnroutable();
  }

  #landed(count: number): void {
    this.#unanswered -= count;
    if (this.#unanswered > 0) return;
    this.#done.resolve();
    this.#unwatchReturns();
  }
}

/** amqplib tells a nack and the end of the channel in the same way; after the latter nobody knows. */
function isNack(error: unknown): boolean {
  return error instanceof Error && error.message === "message nacked";
}

export function full(why: string | undefined): JobferryError {
  return new JobferryError(
    "STORE_FULL",
    `RabbitMQ takes no more messages now (${why ?? "blocked"}): a memory or disk alarm, or a queue at its limit. Make room on the server; what was on its way may be stored or not.`,
    { retryable: true },
  );
}

function unsent(): JobferryError {
  return new JobferryError("UNAVAILABLE", "RabbitMQ takes no messages now.", { retryable: true });
}

function unroutable(): JobferryError {
  return new JobferryError(
    "UNAVAILABLE",
    "The queue is gone from RabbitMQ, so the job was not stored. It is declared again; push again.",
    { retryable: true },
  );
}

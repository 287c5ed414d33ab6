import type { CoordinationEntry, Timer } from "../contract/index.ts";
import { Deferred } from "../runtime/index.ts";
import { objectOf } from "./json-bytes.ts";
import type { StoreLink } from "./store-link.ts";
import { inOrder } from "./waiting-line.ts";

/** Until the next run: what this one removed is told by the watch. After one that failed the store may be away for long. */
const AGAIN_MS = 50;
const AFTER_FAILURE_MS = 1_000;

/** Sorts behind every message: those begin with a digit or letter. */
const MARKER = "~pruned";
const encoder = new TextEncoder();
const decoder = new TextDecoder();

export type Message = Readonly<{
  /** The place in the topic; rises. */
  number: bigint;
  id: string;
  /** The node that sent it. */
  from: string;
  /** Epoch milliseconds by the sender's clock. */
  sentAt: number;
  data: unknown;
}>;

export type TopicRules = Readonly<{ keepMs: number; maxMessages: number }>;

/**
 * What is kept of one topic: a key a message, whose version is its number. Every node that uses the topic follows it and lets old messages go, in
 * the order of their numbers, together with a mark up to where: so a subscriber knows that it missed some. The age is counted by the node's own
 * monotonic clock from when it saw the message, with jitter, so that mostly one node does it. Two at once exclude each other by the mark.
 */
export class Topic {
  readonly prefix: string;
  readonly #link: StoreLink;
  readonly #rules: TopicRules;
  readonly #unused: () => void;
  readonly #stop = new AbortController();
  readonly #followed: Promise<void>;
  readonly #ready: Deferred = new Deferred();
  readonly #listeners = new Set<() => void>();
  readonly #seenAt = new Map<string, number>();
  #messages: readonly CoordinationEntry[] = [];
  #marker: CoordinationEntry | undefined;
  #timer: Timer | undefined;
  #pruning: Promise<void> | undefined;
  /** No timer prunes before this, by the monotonic clock. */
  #notBefore = -Infinity;

  /** `unused` is called when nothing is kept and nobody listens any more. */
  constructor(link: StoreLink, prefix: string, rules: TopicRules, unused: () => void) {
    this.#unused = unused;
    this.#link = link;
    this.prefix = prefix;
    this.#rules = rules;
    this.#followed = link.follow(prefix, this.#stop.signal, (state) => this.#told(state));
  }

  /** When the first state is known. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  /** Everything up to this number may be gone. Bytes that are no number are passed over, as those that are no message. */
  get prunedUpTo(): bigint {
    const text = this.#marker === undefined ? "" : decoder.decode(this.#marker.value);
    return /^\d+$/.test(text) ? BigInt(text) : 0n;
  }

  /** After a message of this node: when there are too many it waits, so that a fast sender cannot fill the store. */
  async sent(): Promise<void> {
    if (this.#messages.length > this.#rules.maxMessages) await this.prune();
  }

  /** The first kept message behind the number; bytes that are no message are passed over. */
  after(number: bigint): Message | undefined {
    for (const entry of this.#messages) {
      const message = BigInt(entry.version) > number ? messageOf(entry) : undefined;
      if (message !== undefined) return message;
    }
    return undefined;
  }

  /** Called after each change. @returns what ends it. */
  listen(changed: () => void): () => void {
    this.#listeners.add(changed);
    return () => {
      this.#listeners.delete(changed);
      this.#checkUse();
    };
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#timer?.cancel();
    this.#ready.resolve();
    await this.#followed;
    await this.#pruning;
  }

  #told(state: ReadonlyMap<string, CoordinationEntry>): void {
    const marker = this.prefix + MARKER;
    this.#marker = state.get(marker);
    this.#messages = inOrder([...state.values()].filter(({ key }) => key !== marker));
    const now = this.#link.clock.monotonic();
    for (const key of this.#seenAt.keys()) if (!state.has(key)) this.#seenAt.delete(key);
    for (const { key } of this.#messages) if (!this.#seenAt.has(key)) this.#seenAt.set(key, now);
    this.#ready.resolve();
    for (const changed of this.#listeners) changed();
    this.#arm();
    this.#checkUse();
  }

  #checkUse(): void {
    if (this.#listeners.size === 0 && this.#messages.length === 0 && !this.#stop.signal.aborted) this.#unused();
  }

  /** One timer: it goes to the time at which the oldest message may go. */
  #arm(): void {
    const [oldest] = this.#messages;
    if (oldest === undefined || this.#timer !== undefined || this.#stop.signal.aborted) return;
    const { keepMs, maxMessages } = this.#rules;
    const jitter = keepMs * 0.5 * this.#link.clock.random();
    const now = this.#link.clock.monotonic();
    const age = now - (this.#seenAt.get(oldest.key) ?? 0);
    const delay = this.#messages.length > maxMessages ? jitter / 50 : keepMs - age + jitter;
    this.#timer = this.#link.clock.timer(
      Math.max(0, delay, this.#notBefore - now),
      () => {
        this.#timer = undefined;
        void this.prune().finally(() => this.#arm());
      },
      { keepAlive: false },
    );
  }

  /** Lets go what is old, and what is too much. Joins a run on its way. Never rejects. */
  prune(): Promise<void> {
    this.#pruning ??= this.#prune()
      .then(
        () => this.#pause(AGAIN_MS),
        (error: unknown) => {
          this.#link.report(error, "Removing old messages");
          this.#pause(AFTER_FAILURE_MS);
        },
      )
      .finally(() => (this.#pruning = undefined));
    return this.#pruning;
  }

  #pause(ms: number): void {
    const { clock } = this.#link;
    this.#notBefore = clock.monotonic() + ms * (0.5 + clock.random());
  }

  async #prune(): Promise<void> {
    const { keepMs, maxMessages } = this.#rules;
    const now = this.#link.clock.monotonic();
    const excess = this.#messages.length - maxMessages;
    const isOver = ({ key }: CoordinationEntry, index: number): boolean =>
      index < excess || now - (this.#seenAt.get(key) ?? now) >= keepMs;
    const firstKept = this.#messages.findIndex((entry, index) => !isOver(entry, index));
    const { operations, overwrite = 1 } = this.#link.store.capabilities.limits;
    const most = operations - 1 - overwrite;
    const old = this.#messages.slice(0, firstKept === -1 ? undefined : firstKept).slice(0, most);
    const last = old.at(-1);
    if (last === undefined || this.#stop.signal.aborted) return;
    const key = this.prefix + MARKER;
    const compare =
      this.#marker === undefined ? ({ key, absent: true } as const) : { key, version: this.#marker.version };
    await this.#link.store.transact(
      [compare],
      [{ put: key, value: encoder.encode(last.version) }, ...old.map((entry) => ({ delete: entry.key }))],
    );
  }
}

function messageOf({ key, value, version }: CoordinationEntry): Message | undefined {
  const found = objectOf(value);
  if (found === undefined || typeof found["from"] !== "string") return undefined;
  const id = key.slice(key.lastIndexOf("/") + 1);
  return { number: BigInt(version), id, from: found["from"], sentAt: Number(found["sentAt"]), data: found["data"] };
}

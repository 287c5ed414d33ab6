import { checkJson } from "../core/index.ts";
import { JobferryError } from "../errors/index.ts";
import { checkName, idOfSequence, nextSequence, sleep } from "../runtime/index.ts";
import type { ClusterSettings } from "./cluster-options.ts";
import { bytesOfJson } from "./json-bytes.ts";
import type { StoreLink } from "./store-link.ts";
import { checkSubscribe, Subscription, type Gap, type SubscribeOptions } from "./subscription.ts";
import { inOrder } from "./waiting-line.ts";
import { Topic, type Message } from "./topic.ts";

const TRIES = 5;
const FIRST_PAUSE_MS = 20;

/** Broadcasts as kept messages: at least once to every subscriber that is there, or back while they are kept. */
export class Bus {
  readonly #link: StoreLink;
  readonly #settings: ClusterSettings;
  readonly #report: (error: unknown) => void;
  readonly #topics = new Map<string, Topic>();
  readonly #subscriptions = new Set<Subscription>();
  #stopped: JobferryError | undefined;

  constructor(link: StoreLink, settings: ClusterSettings, report: (error: unknown) => void) {
    this.#link = link;
    this.#settings = settings;
    this.#report = report;
  }

  /** Resolves to the message's number when the store has it. @throws PAYLOAD_INVALID, PAYLOAD_TOO_LARGE, UNAVAILABLE (then it may have it). */
  async broadcast(name: string, data: unknown): Promise<bigint> {
    const prefix = this.#settings.keys.topic(checkName("topic", name));
    checkJson(data);
    const { clock, nodeId } = this.#settings;
    const value = bytesOfJson({ from: nodeId, sentAt: Math.floor(clock.now()), data });
    const { valueBytes } = this.#link.store.capabilities.limits;
    if (value.length > valueBytes) {
      throw new JobferryError(
        "PAYLOAD_TOO_LARGE",
        `The message has ${value.length} bytes with its head; this store takes ${valueBytes}. Store it elsewhere and send a reference.`,
      );
    }
    if (this.#stopped !== undefined) throw this.#stopped;
    const number = await this.#put(`${prefix}${idOfSequence(nextSequence())}`, value);
    if (this.#stopped === undefined) await this.#topic(name, prefix).sent();
    return number;
  }

  async subscribe(
    name: string,
    handler: (message: Message) => unknown,
    options: SubscribeOptions = {},
  ): Promise<Subscription> {
    const prefix = this.#settings.keys.topic(checkName("topic", name));
    checkSubscribe(handler, options);
    const topic = this.#topic(name, prefix);
    // Somebody who listens keeps it open meanwhile.
    const unlisten = topic.listen(() => undefined);
    try {
      return await this.#subscribe(name, prefix, topic, handler, options);
    } finally {
      unlisten();
    }
  }

  async #subscribe(
    name: string,
    prefix: string,
    topic: Topic,
    handler: (message: Message) => unknown,
    options: SubscribeOptions,
  ): Promise<Subscription> {
    await topic.ready;
    const warn = (gap: Gap): void =>
      this.#settings.logger.warn(
        { topic: gap.topic, after: String(gap.after), upTo: String(gap.upTo) },
        "A subscriber missed messages that are not kept any more.",
      );
    const from = options.from ?? (await this.#newest(prefix));
    if (this.#stopped !== undefined) throw this.#stopped;
    const made = new Subscription(name, topic, from, handler, options.onGap ?? warn, this.#report, (ended) =>
      this.#subscriptions.delete(ended),
    );
    this.#subscriptions.add(made);
    return made;
  }

  /** Asked of the store: what the topic was told may be older than a message of this very node. */
  async #newest(prefix: string): Promise<bigint> {
    const { entries } = await this.#link.ask("Looking at a topic", () => this.#link.store.list(prefix));
    return BigInt(inOrder(entries).at(-1)?.version ?? "0");
  }

  async stop(reason: JobferryError): Promise<void> {
    this.#stopped = reason;
    await Promise.all([...this.#subscriptions].map((one) => one.close()));
    await Promise.all([...this.#topics.values()].map((topic) => topic.close()));
    this.#subscriptions.clear();
    this.#topics.clear();
  }

  #topic(name: string, prefix: string): Topic {
    if (this.#stopped !== undefined) throw this.#stopped;
    const known = this.#topics.get(name);
    if (known !== undefined) return known;
    const { keepMs, maxMessages } = this.#settings;
    const made: Topic = new Topic(this.#link, prefix, { keepMs, maxMessages }, () => {
      if (this.#topics.get(name) === made) this.#topics.delete(name);
      void made.close();
    });
    this.#topics.set(name, made);
    return made;
  }

  /** The key is the message's own, so a repeated put after an unknown answer is the same message. */
  async #put(key: string, value: Uint8Array): Promise<bigint> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        const result = await this.#link.store.transact([{ key, absent: true }], [{ put: key, value }]);
        if (result.ok) return BigInt(result.versions[0] ?? "0");
        const found = await this.#link.store.get(key);
        if (found !== undefined) return BigInt(found.version);
      } catch (error) {
        const known = this.#link.errorOf(error, "Broadcasting");
        if (!known.retryable || attempt === TRIES) throw known;
      }
      if (attempt === TRIES)
        throw new JobferryError("UNAVAILABLE", "The store did not keep the message.", { retryable: true });
      await sleep(this.#link.clock, FIRST_PAUSE_MS * 2 ** attempt * (0.5 + this.#link.clock.random()));
    }
  }
}

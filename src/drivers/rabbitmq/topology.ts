import type { Clock } from "../../contract/index.ts";
import { JobferryError } from "../../errors/index.ts";
import { sleep } from "../../runtime/index.ts";
import type { Ask, Connection } from "./connection.ts";
import { LEVELS, levelPattern, skipPattern, ttlOf } from "./ladder.ts";
import type { Names } from "./names.ts";
import type { Publishing } from "./publishing.ts";
import { Registry } from "./registry.ts";
import type { Entry, Part } from "./registry.ts";

/** Longer delays than these steps hold are rare; they get the rest of the ladder. */
export const SHORT_LEVELS = 13;

/** Far above anything that happens: the server's own count never decides (a policy with a lower limit still ends in the failed queue). */
const DELIVERY_LIMIT = 1_000_000_000;
const COMMON = {
  "x-queue-type": "quorum",
  "x-delivery-limit": DELIVERY_LIMIT,
  "x-overflow": "reject-publish",
} as const;

/**
 * Declares what is needed, once for each pair of connections: after a loss everything is declared again on its next use. A quorum queue whose server is
 * killed within a second or so of its declaration comes back empty, so nothing is published to a part before it has lain on the server for
 * `settleMs`; then it is entered in the registry, and who finds it there need not wait.
 */
export class Topology {
  readonly #names: Names;
  readonly #clock: Clock;
  readonly #settleMs: number;
  readonly #registry: Registry;
  readonly #closing: AbortSignal;
  #declared = new Map<string, Promise<void>>();
  #hasLadder = false;
  /** Settled parts, as the registry has them, and the promise of those that settle now. */
  readonly #settled = new Set<string>();
  readonly #settling = new Map<string, Promise<void>>();
  #hasRead: Promise<void> | undefined;

  constructor(names: Names, clock: Clock, settleMs: number, publishing: Publishing, closing: AbortSignal) {
    this.#names = names;
    this.#clock = clock;
    this.#settleMs = settleMs;
    this.#closing = closing;
    this.#registry = new Registry(names.registry, clock, publishing, closing);
  }

  /** A connection was made: what was declared on the one before may be gone. */
  forget(): void {
    this.#declared = new Map();
    this.#hasLadder = false;
  }

  /** The queues that were ever pushed to, and what of each is there. */
  async known(connection: Connection): Promise<ReadonlyMap<string, ReadonlySet<Part>>> {
    const known = new Map<string, Set<Part>>();
    for (const { queue, part } of await this.#readRegistry(connection)) {
      const parts = known.get(queue) ?? new Set();
      known.set(queue, parts.add(part));
    }
    return known;
  }

  async queues(connection: Connection): Promise<readonly string[]> {
    const known = await this.known(connection);
    return [...known].flatMap(([queue, parts]) => (parts.has("jobs") ? [queue] : []));
  }

  async #readRegistry(connection: Connection): Promise<readonly Entry[]> {
    const entries = await this.#registry.read(connection);
    for (const { queue, part } of entries) this.#settled.add(`${part} ${queue}`);
    return entries;
  }

  /** Makes sure that the part is there. */
  ensure(connection: Connection, queue: string, part: Part): Promise<void> {
    const key = `${part} ${queue}`;
    const known = this.#declared.get(key);
    if (known !== undefined) return known;
    const map = this.#declared;
    const declared = this.#declare(connection, queue, part);
    map.set(key, declared);
    declared.catch(() => map.delete(key));
    return declared;
  }

  /** undefined when the part is known to be settled, so that hot paths need no promise. Call it after `ensure`. */
  settled(connection: Connection, queue: string, part: Part): Promise<void> | undefined {
    const key = `${part} ${queue}`;
    if (this.#settled.has(key)) return undefined;
    let settling = this.#settling.get(key);
    if (settling === undefined) {
      settling = this.#settle(connection, queue, part).finally(() => this.#settling.delete(key));
      // Whoever asked may first wait for another part, or give up at that.
      settling.catch(() => undefined);
      this.#settling.set(key, settling);
    }
    return settling;
  }

  async #settle(connection: Connection, queue: string, part: Part): Promise<void> {
    const key = `${part} ${queue}`;
    const until = this.#clock.monotonic() + this.#settleMs;
    this.#hasRead ??= this.#readRegistry(connection).then(
      () => undefined,
      (error: unknown) => {
        this.#hasRead = undefined;
        throw error;
      },
    );
    await this.#hasRead;
    if (this.#settled.has(key)) return;
    await sleep(this.#clock, Math.max(0, until - this.#clock.monotonic()), this.#closing);
    if (this.#closing.aborted) throw new JobferryError("CLOSED", "This driver is closed.");
    await this.#registry.add({ queue, part });
    this.#settled.add(key);
  }

  #declare(connection: Connection, queue: string, part: Part): Promise<void> {
    if (part === "jobs")
      return connection.talk(`declare the queues of "${queue}"`, (ask) => this.#declareJobs(ask, queue));
    const [from, to] = part === "short" ? [0, SHORT_LEVELS] : [SHORT_LEVELS, LEVELS];
    return connection.talk(`declare the delay queues of "${queue}"`, async (ask) => {
      await this.#declareJobs(ask, queue);
      if (!this.#hasLadder) await this.#declareLadder(ask);
      const [live, first] = [this.#names.live(queue), this.#names.ladder(0)];
      await ask((channel) => channel.bindQueue(live, first, skipPattern(0, this.#names.word(queue))));
      for (let level = from; level < to; level += 1) await this.#declareLevel(ask, queue, level);
    });
  }

  async #declareJobs(ask: Ask, queue: string): Promise<void> {
    const failed = this.#names.failed(queue);
    const live = this.#names.live(queue);
    // What the server itself takes out of a queue (a policy's limit or TTL) ends in failed instead of nowhere.
    await ask((channel) => channel.assertQueue(failed, queueArguments({})));
    await ask((channel) => channel.assertQueue(live, queueArguments(deadLetters("", failed))));
  }

  /** One exchange for each step: a job whose key has no bit there goes on to the next without lying in a queue. */
  async #declareLadder(ask: Ask): Promise<void> {
    for (let level = 0; level < LEVELS; level += 1) {
      const name = this.#names.ladder(level);
      await ask((channel) => channel.assertExchange(name, "topic", { durable: true }));
      if (level === 0) continue;
      const next = this.#names.ladder(level - 1);
      await ask((channel) => channel.bindExchange(next, name, skipPattern(level, "#")));
    }
    this.#hasLadder = true;
  }

  async #declareLevel(ask: Ask, queue: string, level: number): Promise<void> {
    const name = this.#names.level(queue, level);
    // When its time here is over the job goes to the next step, or home after the last, under the key it came with.
    const next = level === 0 ? deadLetters("", this.#names.live(queue)) : deadLetters(this.#names.ladder(level - 1));
    await ask((channel) => channel.assertQueue(name, queueArguments({ "x-message-ttl": ttlOf(level), ...next })));
    const pattern = levelPattern(level, this.#names.word(queue));
    await ask((channel) => channel.bindQueue(name, this.#names.ladder(level), pattern));
  }
}

function queueArguments(more: object): object {
  return { durable: true, arguments: { ...COMMON, ...more } };
}

/** A dead letter leaves its queue only when the next one has confirmed it. */
function deadLetters(exchange: string, routingKey?: string): object {
  return {
    "x-dead-letter-exchange": exchange,
    "x-dead-letter-strategy": "at-least-once",
    ...(routingKey === undefined ? undefined : { "x-dead-letter-routing-key": routingKey }),
  };
}

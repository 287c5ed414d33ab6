import { createHash } from "node:crypto";

/** AMQP names are short strings of at most 255 bytes; the rest of a name needs up to 40. */
const MAX_BYTES = 200;

const digest = (text: string): string => createHash("sha256").update(text).digest("hex").slice(0, 32);

/** The names of everything that lies on the server. Two queues never share one: what is too long is hashed behind another separator. */
export class Names {
  readonly #prefix: string;

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** Jobs that are ready. */
  live(queue: string): string {
    return this.#of("jobs", queue);
  }

  /** Failed jobs. */
  failed(queue: string): string {
    return this.#of("failed", queue);
  }

  /** Jobs that wait for one step of the ladder. */
  level(queue: string, level: number): string {
    return this.#of(`delay-${level}`, queue);
  }

  /** Where a delayed job is looked at when step `level` is the next. */
  ladder(level: number): string {
    return `${this.#prefix}.ladder-${level}`;
  }

  /** A stream with one message for each part of each queue. */
  get registry(): string {
    return `${this.#prefix}.queues`;
  }

  /** A word of a topic key: no dot, and short. */
  word(queue: string): string {
    return digest(queue);
  }

  #of(kind: string, queue: string): string {
    return Buffer.byteLength(queue) <= MAX_BYTES
      ? `${this.#prefix}.${kind}.${queue}`
      : `${this.#prefix}.${kind}#${digest(queue)}`;
  }
}

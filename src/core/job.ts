import type { PushItem, StoredJob, Texts } from "../contract/index.ts";
import { decodeEnvelope, type Envelope } from "./envelope.ts";
import { copyForDelivery, decodePayload } from "./payload.ts";
import { QueuedItem } from "./queued-item.ts";

/** What is known of a job, frozen: later changes of the job do not show. Times are epoch milliseconds, durations milliseconds. */
export interface Job<P = unknown, N extends string = string> {
  readonly id: string;
  readonly name: N;
  readonly queue: string;
  readonly payload: P;
  /** The encoded payload. */
  readonly bytes: Uint8Array;
  /** Reservations so far, this one included. */
  readonly attempts: number;
  /** Leases that ran out. */
  readonly losses: number;
  /** Attempts that threw. */
  readonly exceptions: number;
  readonly maxAttempts: number | undefined;
  readonly timeout: number | undefined;
  /** Asked for at the push. */
  readonly delay: number;
  readonly priority: number;
  readonly tags: Texts;
  readonly headers: Texts;
  readonly createdAt: number;
  readonly availableAt: number;
  readonly reservedAt: number | undefined;
}

/** console.log would show a class of getters as empty. */
export function showOnInspect(prototype: Readonly<{ toJSON(): unknown }>): void {
  Object.defineProperty(prototype, Symbol.for("nodejs.util.inspect.custom"), {
    value(this: Readonly<{ toJSON(): unknown }>) {
      return this.toJSON();
    },
  });
}

const UNREAD = Symbol("unread");

/** A job as a store holds it, with its payload decoded at the first look. Everything is a getter, because most handlers read two fields of seventeen. */
export class JobSnapshot<P = unknown, N extends string = string> implements Job<P, N> {
  readonly #stored: StoredJob;
  readonly #envelope: Envelope;
  #payload: unknown = UNREAD;

  /** `payload` when it was decoded already. */
  constructor(stored: StoredJob, envelope: Envelope, payload?: Readonly<{ value: unknown }>) {
    this.#stored = stored;
    this.#envelope = envelope;
    if (payload !== undefined) this.#payload = payload.value;
  }

  get id(): string {
    return this.#stored.id;
  }
  get name(): N {
    return this.#stored.name as N;
  }
  get queue(): string {
    return this.#stored.queue;
  }
  get payload(): P {
    if (this.#payload === UNREAD) this.#payload = readPayload(this.#stored, this.#envelope);
    return this.#payload as P;
  }
  get bytes(): Uint8Array {
    return this.#stored.payload;
  }
  get attempts(): number {
    return this.#stored.attempts;
  }
  get losses(): number {
    return this.#stored.losses;
  }
  get exceptions(): number {
    return this.#stored.exceptions;
  }
  get maxAttempts(): number | undefined {
    return this.#envelope.maxAttempts;
  }
  get timeout(): number | undefined {
    return this.#envelope.timeout;
  }
  get delay(): number {
    return this.#envelope.delay;
  }
  get priority(): number {
    return this.#stored.priority;
  }
  get tags(): Texts {
    return this.#stored.tags;
  }
  get headers(): Texts {
    return this.#envelope.headers;
  }
  get createdAt(): number {
    return this.#stored.createdAt;
  }
  get availableAt(): number {
    return this.#stored.availableAt;
  }
  get reservedAt(): number | undefined {
    return this.#stored.reservedAt;
  }

  /** For console.log and JSON: what the getters show, the encoded bytes left out. */
  toJSON(): Readonly<Record<string, unknown>> {
    return shownJob(this);
  }

  static {
    showOnInspect(this.prototype);
  }

  /** The same job with a payload that a schema has put out. */
  withPayload<Q>(payload: Q): JobSnapshot<Q, N> {
    const copy = new JobSnapshot<Q, N>(this.#stored, this.#envelope);
    copy.setPayload(payload);
    return copy;
  }

  protected setPayload(payload: unknown): void {
    this.#payload = payload;
  }

  /** What the store holds, for those who finish the job. */
  static storedOf(job: JobSnapshot): StoredJob {
    return job.#stored;
  }

  /** The fields of a job that a driver inside the process kept as it was pushed. */
  static fieldsOf(item: PushItem): Envelope {
    return item instanceof QueuedItem ? item.envelopeFields : decodeEnvelope(item.envelope);
  }

  static envelopeOf(job: JobSnapshot): Envelope {
    return job.#envelope;
  }
}

function readPayload(stored: StoredJob, envelope: Envelope): unknown {
  const { item } = stored;
  if (item instanceof QueuedItem && item.holding !== "bytes")
    return item.holding === "reference" ? item.value : copyForDelivery(item.kind, item.value);
  return decodePayload(envelope.kind, stored.payload);
}

export function shownJob(job: Job): Readonly<Record<string, unknown>> {
  const { id, name, queue, payload, attempts, losses, exceptions, maxAttempts, timeout, delay, priority } = job;
  const { tags, headers, createdAt, availableAt, reservedAt } = job;
  return {
    ...{ id, name, queue, payload, attempts, losses, exceptions, maxAttempts, timeout, delay, priority },
    ...{ tags, headers, createdAt, availableAt, reservedAt },
  };
}

/** What a push resolves to: the job as it was sent. */
export function pushedSnapshot(item: QueuedItem): JobSnapshot {
  return new JobSnapshot(item.asStored(), item.envelopeFields);
}

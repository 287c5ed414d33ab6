import type { PushItem, StoredJob, Texts } from "../contract/index.ts";
import { idOfSequence } from "../runtime/index.ts";
import { encodeEnvelope, type Envelope, plainEnvelope, plainEnvelopeBytes } from "./envelope.ts";
import { boundPayloadSize, encodePayload, type PayloadKind } from "./payload.ts";

export type ItemFields = Readonly<{
  id: string | undefined;
  sequence: number | undefined;
  queue: string;
  name: string;
  priority: number;
  tags: Texts;
  delayMs: number;
  runAt: number | undefined;
  maxLosses: number;
  createdAt: number;
  kind: PayloadKind;
  /** A private copy, the caller's value (`keepsReference`), or nothing when it is encoded already. */
  value: unknown;
  encoded: Uint8Array | undefined;
  keepsReference: boolean;
  /** undefined for a plain job: two bytes on the wire, no object in memory. */
  fields: Envelope | undefined;
}>;

/** A job on its way into a driver. Drivers inside the process keep it as it is; the others read its bytes, which are made then. */
export class QueuedItem implements PushItem {
  readonly sequence: number | undefined;
  readonly queue: string;
  readonly name: string;
  readonly priority: number;
  readonly tags: Texts;
  readonly delayMs: number;
  readonly runAt: number | undefined;
  readonly maxLosses: number;
  readonly createdAt: number;
  readonly kind: PayloadKind;
  readonly value: unknown;
  readonly keepsReference: boolean;
  readonly fields: Envelope | undefined;
  #id: string | undefined;
  #encoded: Uint8Array | undefined;

  constructor(fields: ItemFields) {
    this.#id = fields.id;
    this.#encoded = fields.encoded;
    this.sequence = fields.sequence;
    this.queue = fields.queue;
    this.name = fields.name;
    this.priority = fields.priority;
    this.tags = fields.tags;
    this.delayMs = fields.delayMs;
    this.runAt = fields.runAt;
    this.maxLosses = fields.maxLosses;
    this.createdAt = fields.createdAt;
    this.kind = fields.kind;
    this.value = fields.value;
    this.keepsReference = fields.keepsReference;
    this.fields = fields.fields;
  }

  get id(): string {
    this.#id ??= idOfSequence(this.sequence ?? 0);
    return this.#id;
  }

  get envelope(): Uint8Array {
    return this.fields === undefined ? plainEnvelopeBytes(this.kind) : encodeEnvelope(this.fields);
  }

  /** Then the bytes are all there is, and `value` is not set. */
  get isEncoded(): boolean {
    return this.#encoded !== undefined;
  }

  /** Not kept when it is made from a private copy: who asks for it (a listing, `job.bytes`) does so rarely. */
  get payload(): Uint8Array {
    return this.#encoded ?? encodePayload(this.kind, this.value);
  }

  /** What it weighs in the batcher: never less than its encoded bytes. A value that is only referred to weighs nothing (and may be anything). */
  get weight(): number {
    const texts = textsSize(this.tags) + (this.fields === undefined ? 0 : textsSize(this.fields.headers));
    if (this.keepsReference) return 200 + texts;
    return 200 + texts + (this.#encoded?.length ?? boundPayloadSize(this.kind, this.value));
  }

  get envelopeFields(): Envelope {
    return this.fields ?? plainEnvelope(this.kind);
  }

  asStored(): StoredJob {
    const { createdAt, runAt, delayMs } = this;
    const availableAt = runAt ?? createdAt + delayMs;
    return new SentJob(this, availableAt > createdAt ? "delayed" : "pending", availableAt);
  }
}

function textsSize(texts: Texts): number {
  let size = 0;
  for (const key in texts) size += 3 * (key.length + (texts[key]?.length ?? 0)) + 8;
  return size;
}

/** The state of a job that was pushed just now, as its producer knows it. */
class SentJob implements StoredJob {
  readonly item: QueuedItem;
  readonly state: "pending" | "delayed";
  readonly availableAt: number;
  readonly attempts = 0;
  readonly losses = 0;
  readonly exceptions = 0;
  readonly reservedAt: undefined;
  readonly finishedAt: undefined;
  readonly failure: undefined;
  readonly result: undefined;

  constructor(item: QueuedItem, state: "pending" | "delayed", availableAt: number) {
    this.item = item;
    this.state = state;
    this.availableAt = availableAt;
  }

  get id(): string {
    return this.item.id;
  }
  get queue(): string {
    return this.item.queue;
  }
  get name(): string {
    return this.item.name;
  }
  get priority(): number {
    return this.item.priority;
  }
  get tags(): Texts {
    return this.item.tags;
  }
  get envelope(): Uint8Array {
    return this.item.envelope;
  }
  get payload(): Uint8Array {
    return this.item.payload;
  }
  get createdAt(): number {
    return this.item.createdAt;
  }
}

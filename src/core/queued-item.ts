import type { PushItem, StoredJob, Texts } from "../contract/index.ts";
import { idOfSequence, systemClock } from "../runtime/index.ts";
import { encodeEnvelope, type Envelope, NO_TEXTS, plainEnvelope, plainEnvelopeBytes } from "./envelope.ts";
import { boundPayloadSize, encodePayload, encodeText, type PayloadKind } from "./payload.ts";
import type { Draft } from "./draft.ts";

/** What the payload is held as: a private copy, the caller's own value, or its encoded bytes. */
export type Holding = "copy" | "reference" | "bytes";

/** The payload as an item holds it. */
export type Held = Readonly<{ kind: PayloadKind; holding: Holding; value: unknown }>;

/** What most jobs do not have, in one object. */
type Rare = Readonly<{ tags: Texts; runAt: number | undefined; fields: Envelope | undefined }>;

/** Times are kept relative to this: a small integer in place, where epoch milliseconds would be a number object of 16 bytes. */
const START = Math.floor(systemClock.now());

/**
 * A job on its way into a driver. Drivers inside the process keep it as it is, so it is small: 120 bytes. The others read its bytes, which
 * are made then.
 */
export class QueuedItem implements PushItem {
  readonly sequence: number | undefined;
  readonly queue: string;
  readonly name: string;
  readonly priority: number;
  readonly delayMs: number;
  readonly maxLosses: number;
  readonly kind: PayloadKind;
  readonly holding: Holding;
  /** What is held as bytes may be text until somebody reads them. */
  #value: unknown;
  readonly #createdAt: number;
  readonly #rare: Rare | undefined;
  #id: string | undefined;

  /** `fields`: undefined for a plain job, which has two bytes of envelope on the wire and no object in memory. */
  constructor(draft: Draft, { kind, holding, value }: Held, maxLosses: number, fields: Envelope | undefined) {
    const { tags, runAt } = draft;
    this.#id = draft.id;
    this.sequence = draft.sequence;
    this.queue = draft.queue;
    this.name = draft.name;
    this.priority = draft.priority;
    this.delayMs = draft.delayMs;
    this.maxLosses = maxLosses;
    this.kind = kind;
    this.holding = holding;
    this.#value = value;
    this.#createdAt = draft.createdAt - START;
    this.#rare = tags === NO_TEXTS && runAt === undefined && fields === undefined ? undefined : { tags, runAt, fields };
  }

  get id(): string {
    this.#id ??= idOfSequence(this.sequence ?? 0);
    return this.#id;
  }

  get tags(): Texts {
    return this.#rare?.tags ?? NO_TEXTS;
  }

  get runAt(): number | undefined {
    return this.#rare?.runAt;
  }

  get createdAt(): number {
    return this.#createdAt + START;
  }

  get envelope(): Uint8Array {
    const fields = this.#rare?.fields;
    return fields === undefined ? plainEnvelopeBytes(this.kind) : encodeEnvelope(fields);
  }

  get value(): unknown {
    return this.#value;
  }

  /** Not kept when it is made from a value: who asks for it (a listing, `job.bytes`) does so rarely. */
  get payload(): Uint8Array {
    if (this.holding !== "bytes") return encodePayload(this.kind, this.#value);
    if (typeof this.#value === "string") this.#value = encodeText(this.#value);
    return this.#value as Uint8Array;
  }

  get payloadText(): string | undefined {
    return this.holding === "bytes" && typeof this.#value === "string" ? this.#value : undefined;
  }

  /** What it weighs in the batcher: never less than its encoded bytes. A value that is only referred to weighs nothing (and may be anything). */
  get weight(): number {
    const rare = this.#rare;
    const texts =
      rare === undefined ? 0 : textsSize(rare.tags) + (rare.fields === undefined ? 0 : textsSize(rare.fields.headers));
    if (this.holding === "reference") return 200 + texts;
    if (this.holding === "copy") return 200 + texts + boundPayloadSize(this.kind, this.#value);
    const { payloadText } = this;
    return 200 + texts + (payloadText === undefined ? this.payload.length : payloadText.length * 3);
  }

  get envelopeFields(): Envelope {
    return this.#rare?.fields ?? plainEnvelope(this.kind);
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

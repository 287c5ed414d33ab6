import type { JobFailure, PushItem, StoredJob, Texts } from "../../contract/index.ts";
import type { AmqpMessage } from "./client.ts";

/**
 * A message's body: payload, envelope, fields as JSON, then a trailer of 12 bytes: length of the envelope, length of the fields, mark.
 * Not in AMQP headers: those must fit in one frame (128 KiB), and writing a table costs more. The payload stands first, where people look.
 * The id is the message's own (`message_id`), and nothing stands there twice or as its default: the server writes every byte to the disk (ADR 0173).
 */
const MARK = 0x4a_46_52_01;
const TRAILER = 12;
/** AMQP's short strings. */
const MAX_SHORT = 255;
/** Core's default. */
const MOST_LOSSES = 3;
const NO_TAGS: Texts = Object.freeze({});

/** Everything that a job is but its bytes. What is 0 or missing is left out of the message. */
export type Fields = Readonly<{
  id: string;
  queue: string;
  name: string;
  priority: number;
  tags: Texts;
  maxLosses: number;
  createdAt: number;
  availableAt: number;
  attempts: number;
  losses: number;
  exceptions: number;
  finishedAt: number | undefined;
  failure: JobFailure | undefined;
}>;

export type Parcel = Readonly<{ fields: Fields; envelope: Uint8Array; payload: Uint8Array }>;

/** `i`: an id that the message itself cannot bear. `d`: milliseconds from `c` to when the job is available. */
type Written = Readonly<{
  i?: string | undefined;
  q: string;
  n?: string | undefined;
  p?: number | undefined;
  t?: Texts | undefined;
  m?: number | undefined;
  c: number;
  d?: number | undefined;
  a?: number | undefined;
  l?: number | undefined;
  e?: number | undefined;
  f?: number | undefined;
  w?: JobFailure | undefined;
}>;

export function parcelOf(job: PushItem, availableAt: number): Parcel {
  const { id, queue, name, priority, tags, maxLosses, createdAt, envelope, payload } = job;
  // One literal, here and below: spreads would cost 1.5 µs of CPU a job.
  const fields: Fields = {
    id,
    queue,
    name,
    priority,
    tags,
    maxLosses,
    createdAt,
    availableAt,
    attempts: 0,
    losses: 0,
    exceptions: 0,
    finishedAt: undefined,
    failure: undefined,
  };
  return { fields, envelope, payload };
}

/** What the message itself is named; undefined for an id that does not fit, or that UTF-8 would change. */
export function messageIdOf(id: string): string | undefined {
  if (!id.isWellFormed()) return undefined;
  return id.length * 3 <= MAX_SHORT || Buffer.byteLength(id) <= MAX_SHORT ? id : undefined;
}

/** JSON leaves out what is undefined. */
function written(fields: Fields): Written {
  const { id, queue, name, priority, tags, maxLosses, createdAt, availableAt, failure } = fields;
  const { attempts, losses, exceptions, finishedAt } = fields;
  return {
    i: messageIdOf(id) === undefined ? id : undefined,
    q: queue,
    n: name === "default" ? undefined : name,
    p: unlessZero(priority),
    t: Object.keys(tags).length === 0 ? undefined : tags,
    m: maxLosses === MOST_LOSSES ? undefined : maxLosses,
    c: createdAt,
    d: unlessZero(availableAt - createdAt),
    a: unlessZero(attempts),
    l: unlessZero(losses),
    e: unlessZero(exceptions),
    f: finishedAt,
    w: failure,
  };
}

function unlessZero(value: number): number | undefined {
  return value === 0 ? undefined : value;
}

export function encode({ fields, envelope, payload }: Parcel): Buffer {
  const text = JSON.stringify(written(fields));
  const textLength = Buffer.byteLength(text);
  const body = Buffer.allocUnsafe(payload.length + envelope.length + textLength + TRAILER);
  body.set(payload, 0);
  body.set(envelope, payload.length);
  let at = payload.length + envelope.length;
  at += body.write(text, at);
  at = body.writeUInt32BE(envelope.length, at);
  at = body.writeUInt32BE(textLength, at);
  body.writeUInt32BE(MARK, at);
  return body;
}

/** A message that we did not write becomes a job with an empty envelope, which core parks as damaged: nothing is dropped or looped. */
function decode({ content, properties }: AmqpMessage, queue: string, now: number): Parcel {
  const body = Buffer.isBuffer(content) ? content : Buffer.from(content.buffer, content.byteOffset, content.byteLength);
  return readParcel(body, properties.messageId) ?? foreign(body, queue, now);
}

function readParcel(body: Buffer, messageId: unknown): Parcel | undefined {
  const end = body.length - TRAILER;
  if (end < 0 || body.readUInt32BE(end + 8) !== MARK) return undefined;
  const textAt = end - body.readUInt32BE(end + 4);
  const envelopeAt = textAt - body.readUInt32BE(end);
  if (envelopeAt < 0 || textAt > end) return undefined;
  const fields = readFields(body.toString("utf8", textAt, end), messageId);
  if (fields === undefined) return undefined;
  return { fields, envelope: bytesOf(body, envelopeAt, textAt), payload: bytesOf(body, 0, envelopeAt) };
}

/** A view, and plain: no Buffer leaves the driver. */
function bytesOf({ buffer, byteOffset }: Buffer, from: number, to: number): Uint8Array {
  return new Uint8Array(buffer, byteOffset + from, to - from);
}

function readFields(text: string, messageId: unknown): Fields | undefined {
  try {
    const { i, q, n, p = 0, t = NO_TAGS, m, c, d = 0, a = 0, l = 0, e = 0, f, w } = JSON.parse(text) as Written;
    return {
      // Somebody who sent it again by hand may have dropped its name. Then it has another one with each delivery until it is copied.
      id: i ?? (typeof messageId === "string" && messageId !== "" ? messageId : foreignId()),
      queue: q,
      name: n ?? "default",
      priority: p,
      tags: t,
      maxLosses: m ?? MOST_LOSSES,
      createdAt: c,
      availableAt: c + d,
      attempts: a,
      losses: l,
      exceptions: e,
      finishedAt: f,
      failure: w === undefined ? undefined : { ...w, stack: w.stack },
    };
  } catch {
    return undefined;
  }
}

function foreignId(): string {
  return `foreign-${crypto.randomUUID()}`;
}

function foreign(body: Buffer, queue: string, now: number): Parcel {
  const fields: Fields = {
    ...{ id: foreignId(), queue, name: "default", priority: 0, tags: NO_TAGS, maxLosses: MOST_LOSSES },
    ...{ createdAt: now, availableAt: now, attempts: 0, losses: 0, exceptions: 0 },
    ...{ finishedAt: undefined, failure: undefined },
  };
  return { fields, envelope: new Uint8Array(0), payload: bytesOf(body, 0, body.length) };
}

/** The job of a message, with what the server counted. */
export function read(message: AmqpMessage, queue: string, now: number): Parcel {
  const parcel = decode(message, queue, now);
  const lost = redeliveries(message);
  if (lost === 0) return parcel;
  const { fields } = parcel;
  return { ...parcel, fields: { ...fields, attempts: fields.attempts + lost, losses: fields.losses + lost } };
}

export function storedOf(
  { fields, envelope, payload }: Parcel,
  state: StoredJob["state"],
  reservedAt: number | undefined,
): StoredJob {
  const { id, queue, name, priority, tags, createdAt, availableAt, attempts, losses, exceptions } = fields;
  const { finishedAt, failure } = fields;
  return {
    item: undefined,
    id,
    queue,
    name,
    priority,
    tags,
    createdAt,
    availableAt,
    attempts,
    losses,
    exceptions,
    finishedAt,
    failure,
    envelope,
    payload,
    state,
    reservedAt,
    result: undefined,
  };
}

/** How often the broker gave this message to a consumer that lost it. Quorum queues count it; it survives everything but a copy. */
function redeliveries({ properties: { headers } }: AmqpMessage): number {
  const count: unknown = headers === undefined ? 0 : (headers as Readonly<Record<string, unknown>>)["x-delivery-count"];
  return typeof count === "number" ? count : 0;
}

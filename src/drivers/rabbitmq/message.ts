import type { JobFailure, PushItem, StoredJob, Texts } from "../../contract/index.ts";
import type { AmqpMessage } from "./client.ts";

/**
 * A message's body: payload, envelope, fields as JSON, then a trailer of 12 bytes: length of the envelope, length of the fields, mark.
 * Not in AMQP headers: those must fit in one frame (128 KiB), and writing a table costs more. The payload stands first, where people look.
 */
const MARK = 0x4a_46_52_01;
const TRAILER = 12;

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

type Written = Readonly<{
  i: string;
  q: string;
  n?: string;
  p?: number;
  t?: Texts;
  m: number;
  c: number;
  v: number;
  a?: number;
  l?: number;
  e?: number;
  f?: number;
  w?: JobFailure;
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

function written(fields: Fields): Written {
  const { id, queue, name, priority, tags, maxLosses, createdAt, availableAt, failure } = fields;
  const { attempts, losses, exceptions, finishedAt } = fields;
  return {
    ...{ i: id, q: queue, m: maxLosses, c: createdAt, v: availableAt },
    ...(name === "default" ? undefined : { n: name }),
    ...(priority === 0 ? undefined : { p: priority }),
    ...(Object.keys(tags).length === 0 ? undefined : { t: tags }),
    ...(attempts === 0 ? undefined : { a: attempts }),
    ...(losses === 0 ? undefined : { l: losses }),
    ...(exceptions === 0 ? undefined : { e: exceptions }),
    ...(finishedAt === undefined ? undefined : { f: finishedAt }),
    ...(failure === undefined ? undefined : { w: failure }),
  };
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
function decode(content: Uint8Array, queue: string, now: number): Parcel {
  const body = Buffer.from(content.buffer, content.byteOffset, content.length);
  return readParcel(body) ?? foreign(body, queue, now);
}

function readParcel(body: Buffer): Parcel | undefined {
  const end = body.length - TRAILER;
  if (end < 0 || body.readUInt32BE(end + 8) !== MARK) return undefined;
  const textAt = end - body.readUInt32BE(end + 4);
  const envelopeAt = textAt - body.readUInt32BE(end);
  if (envelopeAt < 0 || textAt > end) return undefined;
  const fields = readFields(body.toString("utf8", textAt, end));
  if (fields === undefined) return undefined;
  return { fields, envelope: bytesOf(body, envelopeAt, textAt), payload: bytesOf(body, 0, envelopeAt) };
}

/** A view, and plain: no Buffer leaves the driver. */
function bytesOf({ buffer, byteOffset }: Buffer, from: number, to: number): Uint8Array {
  return new Uint8Array(buffer, byteOffset + from, to - from);
}

function readFields(text: string): Fields | undefined {
  try {
    const { i, q, n = "default", p = 0, t = {}, m, c, v, a = 0, l = 0, e = 0, f, w } = JSON.parse(text) as Written;
    return {
      id: i,
      queue: q,
      name: n,
      priority: p,
      tags: t,
      maxLosses: m,
      createdAt: c,
      availableAt: v,
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

function foreign(body: Buffer, queue: string, now: number): Parcel {
  const fields: Fields = {
    ...{ id: `foreign-${crypto.randomUUID()}`, queue, name: "default", priority: 0, tags: {}, maxLosses: 3 },
    ...{ createdAt: now, availableAt: now, attempts: 0, losses: 0, exceptions: 0 },
    ...{ finishedAt: undefined, failure: undefined },
  };
  return { fields, envelope: new Uint8Array(0), payload: bytesOf(body, 0, body.length) };
}

/** The job of a message, with what the server counted. */
export function read(message: AmqpMessage, queue: string, now: number): Parcel {
  const parcel = decode(message.content, queue, now);
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

import type { JobFailure, JobState, PushItem, Reservation, StoredJob, Texts } from "../../contract/index.ts";
import { INLINE_PAYLOAD_BYTES } from "./limits.ts";
import type { Packing } from "./packing.ts";

/** Length of a record's head; see scripts/prelude.ts. */
const HEAD = 47;
const PLACE = 13;
const NO_TAGS: Texts = Object.freeze({});
const NO_BYTES = new Uint8Array(0);

/** What a reservation carries besides, so that a finish need not read it: the job's place, and whether nothing of it lies outside of its record. */
export type RedisReservation = Reservation & Readonly<{ token: number; place: string; plain: boolean }>;

/** Places of one bucket of the index of all jobs, as in scripts/prelude.ts. */
export const BUCKET = 256;

export const bucketOf = (place: string | number): number => Math.floor(Number(place) / BUCKET);

/** Short text need not be encoded to know. */
export function isLarge(item: PushItem): boolean {
  const { payloadText } = item;
  if (payloadText !== undefined && payloadText.length * 3 <= INLINE_PAYLOAD_BYTES) return false;
  return item.payload.length > INLINE_PAYLOAD_BYTES;
}

/**
 * A record from `maxLosses` on, as a push sends it: the rest of the head, then the body, which is queue, priority, what only clients read,
 * envelope, and a payload that is not large.
 */
export function packTail(packing: Packing, item: PushItem): void {
  const { id, queue, priority, name, tags, createdAt, envelope, payloadText } = item;
  const large = isLarge(item);
  packing
    .int(Math.min(item.maxLosses, 0xffff_ffff))
    .byte(0)
    .byte(large ? 1 : 0);
  packing.text(queue).double(priority === 0 ? 0 : priority);
  packing.blob(metaOf(id, name, createdAt, tags));
  packing.blob(envelope);
  if (!large) packing.raw(payloadText ?? item.payload);
}

/** Nothing in it that JSON escapes. */
const PLAIN_TEXT = /^[\w.:-]*$/;

/** By hand for plain names, which most are: `JSON.stringify` takes three times as long. */
function metaOf(id: string, name: string, createdAt: number, tags: Texts): string {
  if (!hasAny(tags) && PLAIN_TEXT.test(id) && PLAIN_TEXT.test(name)) return `["${id}","${name}",${createdAt},0]`;
  return JSON.stringify([id, name, createdAt, hasAny(tags) ? tags : 0]);
}

function hasAny(tags: Texts): boolean {
  for (const _ in tags) return true;
  return false;
}

type Meta = readonly [id: string, name: string, createdAt: number, tags: Texts | 0];

type Slim = Pick<StoredJob, "id" | "queue" | "name" | "priority" | "tags" | "createdAt"> &
  Readonly<{ place: string; finishedAt: number | undefined; end: number }>;

/** Head and meta of a record; `end` is where the envelope begins. */
export function readSlim(record: Buffer): Slim {
  const queueLength = record.readUInt16BE(HEAD);
  const afterQueue = HEAD + 2 + queueLength;
  const metaLength = record.readUInt32BE(afterQueue + 8);
  const end = afterQueue + 12 + metaLength;
  const [id, name, createdAt, tags] = JSON.parse(record.toString("utf8", afterQueue + 12, end)) as Meta;
  const finishedAt = record.readDoubleBE(PLACE + 8);
  return {
    id,
    queue: record.toString("utf8", HEAD + 2, afterQueue),
    name,
    priority: record.readDoubleBE(afterQueue),
    tags: tags === 0 ? NO_TAGS : tags,
    createdAt,
    place: record.toString("latin1", 0, PLACE),
    finishedAt: finishedAt === 0 ? undefined : finishedAt,
    end,
  };
}

export function failureOf(json: Buffer | string): JobFailure | undefined {
  if (json.length === 0) return undefined;
  const { code, name, message, stack } = JSON.parse(json.toString()) as JobFailure;
  return { code, name, message, stack };
}

/** Reads what `appendJob` of a script wrote: records, each followed by what its flags say lies elsewhere. */
export class RecordReader {
  readonly #parts: readonly unknown[];
  readonly #end: number;
  #next: number;

  constructor(parts: readonly unknown[], from: number, end: number = parts.length) {
    this.#parts = parts;
    this.#next = from;
    this.#end = end;
  }

  get more(): boolean {
    return this.#next < this.#end;
  }

  /** `claimedAt`: when it is reserved by the answer that is read; then the attempt counts that no record has yet. */
  job(state: JobState, reservedAt?: number, result?: Uint8Array): Omit<RedisReservation, "token"> {
    const record = this.#take();
    const { end, place, ...slim } = readSlim(record);
    const flags = record.readUInt8(HEAD - 1);
    const body = flags % 2 === 1 ? this.#take() : undefined;
    const failure = flags >= 2 ? failureOf(this.#take()) : undefined;
    const envelopeEnd = end + 4 + record.readUInt32BE(end);
    const counts = PLACE + 16;
    const job: StoredJob = {
      item: undefined,
      ...slim,
      envelope: view(record, end + 4, envelopeEnd),
      payload: body === undefined ? view(record, envelopeEnd, record.length) : view(body, 0, body.length),
      state,
      attempts: record.readUInt32BE(counts) + (state === "reserved" ? 1 : 0),
      losses: record.readUInt32BE(counts + 4),
      exceptions: record.readUInt32BE(counts + 8),
      availableAt: record.readDoubleBE(PLACE),
      reservedAt,
      failure,
      result,
    };
    return { job, place, plain: flags === 0 };
  }

  #take(): Buffer {
    const part = this.#parts[this.#next] as Buffer;
    this.#next += 1;
    return part;
  }
}

function view(bytes: Buffer, from: number, to: number): Uint8Array {
  return from === to ? NO_BYTES : new Uint8Array(bytes.buffer, bytes.byteOffset + from, to - from);
}

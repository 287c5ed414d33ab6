import type { Texts } from "../contract/index.ts";
import { JobferryError } from "../errors/index.ts";
import type { BackoffMs } from "./backoff.ts";
import { isPayloadKind, type PayloadKind } from "./payload.ts";

/**
 * What travels with a job beside the fields that every driver keeps (PushItem). On the wire: one byte of version, one of payload kind,
 * then a JSON object when there is anything to say. A plain job's envelope is two bytes: nothing to encode and 13 ns to decode, where a
 * JSON head of all fields takes 1.2 µs and 0.8 µs (ADR 0002). Fields of later versions of the same number are carried along untouched.
 */
export type Envelope = Readonly<{
  kind: PayloadKind;
  maxAttempts: number | undefined;
  maxExceptions: number | undefined;
  /** Only the job's own, so that it can be serialized; stores go by PushItem's. */
  maxLosses: number | undefined;
  backoff: BackoffMs | undefined;
  /** Milliseconds. */
  timeout: number | undefined;
  /** Epoch milliseconds. */
  retryUntil: number | undefined;
  /** Milliseconds asked for at the push. */
  delay: number;
  headers: Texts;
  /** For later: unique jobs, fairness. */
  key: string | undefined;
  /** What a later version wrote beside these. */
  unknown: Readonly<Record<string, unknown>>;
}>;

export const ENVELOPE_VERSION = 1;
export const NO_TEXTS: Texts = Object.freeze({});
const NO_UNKNOWN: Readonly<Record<string, unknown>> = Object.freeze({});
const KNOWN = [
  "maxAttempts",
  "maxExceptions",
  "maxLosses",
  "backoff",
  "timeout",
  "retryUntil",
  "delay",
  "headers",
  "key",
] as const;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const PLAIN_FIELDS: readonly Envelope[] = ([0, 1, 2, 3] as const).map((kind) => Object.freeze(makePlain(kind)));
const PLAIN: readonly Uint8Array[] = [0, 1, 2, 3].map((kind) => Uint8Array.of(ENVELOPE_VERSION, kind));

/** Shared and frozen: most jobs have this one. */
export function plainEnvelope(kind: PayloadKind): Envelope {
  return PLAIN_FIELDS[kind] ?? makePlain(kind);
}

function makePlain(kind: PayloadKind): Envelope {
  return {
    kind,
    maxAttempts: undefined,
    maxExceptions: undefined,
    maxLosses: undefined,
    backoff: undefined,
    timeout: undefined,
    retryUntil: undefined,
    delay: 0,
    headers: NO_TEXTS,
    key: undefined,
    unknown: NO_UNKNOWN,
  };
}

/** The bytes of a plain envelope are shared: nobody may write into them. */
export function plainEnvelopeBytes(kind: PayloadKind): Uint8Array {
  return PLAIN[kind] ?? Uint8Array.of(ENVELOPE_VERSION, kind);
}

export function encodeEnvelope(envelope: Envelope): Uint8Array {
  const { kind, unknown, delay, headers, ...rest } = envelope;
  const fields = {
    ...unknown,
    ...rest,
    delay: delay === 0 ? undefined : delay,
    headers: Object.keys(headers).length === 0 ? undefined : headers,
  };
  const text = JSON.stringify(fields);
  if (text === "{}") return plainEnvelopeBytes(kind);
  // Both are below 128, so each is one byte of UTF-8 and the whole is encoded in one go.
  return encoder.encode(String.fromCharCode(ENVELOPE_VERSION, kind) + text);
}

/**
 * @throws ENVELOPE_NEWER for a version that this one does not read, ENVELOPE_DAMAGED for anything else that is no envelope.
 */
export function decodeEnvelope(bytes: Uint8Array): Envelope {
  const [version, kind] = bytes;
  if (version !== undefined && version > ENVELOPE_VERSION) {
    throw new JobferryError(
      "ENVELOPE_NEWER",
      `The job was written by a newer version (envelope ${version}, this one reads ${ENVELOPE_VERSION}). Upgrade this process.`,
    );
  }
  if (version !== ENVELOPE_VERSION || !isPayloadKind(kind))
    throw damaged("its first two bytes are not a version and a payload kind");
  return bytes.length === 2 ? plainEnvelope(kind) : withFields(kind, parseFields(bytes));
}

function parseFields(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  try {
    const fields: unknown = JSON.parse(decoder.decode(bytes.subarray(2)));
    if (typeof fields === "object" && fields !== null && !Array.isArray(fields))
      return fields as Record<string, unknown>;
  } catch (cause) {
    throw damaged("it is not JSON", cause);
  }
  throw damaged("it is not a JSON object");
}

function withFields(kind: PayloadKind, fields: Readonly<Record<string, unknown>>): Envelope {
  const { maxAttempts, maxExceptions, maxLosses, backoff, timeout, retryUntil, delay, headers, key, ...unknown } =
    fields;
  for (const name of ["maxAttempts", "maxExceptions", "maxLosses", "timeout", "retryUntil", "delay"] as const) {
    if (fields[name] !== undefined && typeof fields[name] !== "number") throw damaged(`"${name}" is not a number`);
  }
  if (headers !== undefined && !isTexts(headers)) throw damaged('"headers" is not an object of strings');
  if (key !== undefined && typeof key !== "string") throw damaged('"key" is not a string');
  if (backoff !== undefined && !isBackoff(backoff)) throw damaged('"backoff" is not a delay, a list or an object');
  return {
    kind,
    maxAttempts: maxAttempts as number | undefined,
    maxExceptions: maxExceptions as number | undefined,
    maxLosses: maxLosses as number | undefined,
    backoff,
    timeout: timeout as number | undefined,
    retryUntil: retryUntil as number | undefined,
    delay: (delay as number | undefined) ?? 0,
    headers: headers === undefined ? NO_TEXTS : Object.freeze(headers),
    key,
    unknown: Object.keys(unknown).length === 0 ? NO_UNKNOWN : unknown,
  };
}

function isTexts(value: unknown): value is Texts {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  return Object.values(value).every((text) => typeof text === "string");
}

function isBackoff(value: unknown): value is BackoffMs {
  if (typeof value === "number") return true;
  if (Array.isArray(value)) return value.length > 0 && value.every((entry) => typeof entry === "number");
  if (typeof value !== "object" || value === null) return false;
  const { base, max, jitter } = value as Partial<Record<string, unknown>>;
  return typeof base === "number" && typeof max === "number" && typeof jitter === "number";
}

function damaged(why: string, cause?: unknown): JobferryError {
  return new JobferryError(
    "ENVELOPE_DAMAGED",
    `The stored envelope cannot be read: ${why}. The job is parked in failed.`,
    { cause },
  );
}

/** For the test that keeps the list of fields and the type equal. */
export const ENVELOPE_FIELDS: readonly string[] = KNOWN;

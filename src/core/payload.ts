import { JobferryError } from "../errors/index.ts";
import { boundJsonSize, checkJson, copyChecked, copyJson } from "./json-value.ts";

/** What a payload was when it was pushed, and is again when it is popped. The numbers are on the wire: never change them. */
export const PayloadKind = { none: 0, bytes: 1, text: 2, json: 3 } as const;
export type PayloadKind = (typeof PayloadKind)[keyof typeof PayloadKind];

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const NO_BYTES = new Uint8Array(0);

export function isPayloadKind(value: unknown): value is PayloadKind {
  return value === 0 || value === 1 || value === 2 || value === 3;
}

export function kindOfPayload(value: unknown): PayloadKind {
  if (typeof value === "string") return value.isWellFormed() ? PayloadKind.text : PayloadKind.json; // UTF-8 would change a lone surrogate, JSON escapes it
  if (value === undefined) return PayloadKind.none;
  return value instanceof Uint8Array ? PayloadKind.bytes : PayloadKind.json;
}

/** A private copy that later changes by the caller do not reach. @throws PAYLOAD_INVALID */
export function copyPayload(kind: PayloadKind, value: unknown): unknown {
  if (kind === PayloadKind.bytes) return new Uint8Array(value as Uint8Array);
  return kind === PayloadKind.json ? copyJson(value) : value;
}

/** A copy of a private copy, for one delivery. */
export function copyForDelivery(kind: PayloadKind, value: unknown): unknown {
  if (kind === PayloadKind.bytes) return new Uint8Array(value as Uint8Array);
  return kind === PayloadKind.json ? copyChecked(value) : value;
}

/** The payload's bytes; the caller's own array is copied. @throws PAYLOAD_INVALID */
export function encodePayload(kind: PayloadKind, value: unknown): Uint8Array {
  const form = immutablePayload(kind, value);
  return typeof form === "string" ? encoder.encode(form) : form;
}

/** Text as long as it need not be bytes: encoding many short payloads costs more than all else that a push does with them. @throws PAYLOAD_INVALID */
export function immutablePayload(kind: PayloadKind, value: unknown): string | Uint8Array {
  switch (kind) {
    case PayloadKind.none:
      return NO_BYTES;
    case PayloadKind.bytes:
      return new Uint8Array(value as Uint8Array);
    case PayloadKind.text:
      return value as string;
    case PayloadKind.json:
      checkJson(value);
      return JSON.stringify(value);
  }
}

export function encodeText(text: string): Uint8Array {
  return encoder.encode(text);
}

/** @throws ENVELOPE_DAMAGED when the bytes are not what the kind says. */
export function decodePayload(kind: PayloadKind, bytes: Uint8Array): unknown {
  switch (kind) {
    case PayloadKind.none:
      return undefined;
    case PayloadKind.bytes:
      return bytes;
    default:
      return decodeText(kind, bytes);
  }
}

function decodeText(kind: PayloadKind, bytes: Uint8Array): unknown {
  try {
    const text = decoder.decode(bytes);
    return kind === PayloadKind.text ? text : (JSON.parse(text) as unknown);
  } catch (cause) {
    throw new JobferryError(
      "ENVELOPE_DAMAGED",
      "The stored payload is not what its envelope says; the job is parked in failed.",
      { cause },
    );
  }
}

/** At least as large as the encoded payload, found without encoding it. */
export function boundPayloadSize(kind: PayloadKind, value: unknown): number {
  switch (kind) {
    case PayloadKind.none:
      return 0;
    case PayloadKind.bytes:
      return (value as Uint8Array).length;
    case PayloadKind.text:
      return (value as string).length * 3;
    case PayloadKind.json:
      return boundJsonSize(value);
  }
}

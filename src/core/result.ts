import { JobferryError } from "../errors/index.ts";
import { decodePayload, encodePayload, isPayloadKind, kindOfPayload } from "./payload.ts";

/** A handler's result as it is kept: one byte of kind, then the payload. A result that JSON cannot carry is refused. @throws PAYLOAD_INVALID */
export function encodeResult(result: unknown): Uint8Array {
  const kind = kindOfPayload(result);
  const payload = encodePayload(kind, result);
  const bytes = new Uint8Array(1 + payload.length);
  bytes[0] = kind;
  bytes.set(payload, 1);
  return bytes;
}

export function decodeResult(bytes: Uint8Array): unknown {
  const [kind] = bytes;
  if (!isPayloadKind(kind)) throw new JobferryError("ENVELOPE_DAMAGED", "The kept result cannot be read.");
  return decodePayload(kind, bytes.slice(1));
}

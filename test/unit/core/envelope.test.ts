import { expect, test } from "vitest";
import {
  decodeEnvelope,
  encodeEnvelope,
  ENVELOPE_FIELDS,
  ENVELOPE_VERSION,
  type Envelope,
} from "../../../src/core/index.ts";
import { plainEnvelope, plainEnvelopeBytes } from "../../../src/core/envelope.ts";
import { isJobferryError } from "../../../src/errors/index.ts";

const headers = JSON.parse('{"trace":"00-1","__proto__":"x","":"ü\\ud800"}') as Record<string, string>;

/** A value other than the default for each field: a new field does not compile until it has one here. */
const FULL: Required<Envelope> = {
  kind: 3,
  maxAttempts: 7,
  maxExceptions: 2,
  maxLosses: 5,
  backoff: { base: 1_000, max: 5_000, jitter: 0.5 },
  timeout: 1_500.5,
  retryUntil: 1_900_000_000_000,
  delay: 250,
  headers,
  key: "customer-7",
  unknown: JSON.parse('{"unique":{"for":"1h"},"__proto__":[1],"zero":0}') as Record<string, unknown>,
};

const withJson = (json: string, kind = 3): Uint8Array =>
  Uint8Array.of(ENVELOPE_VERSION, kind, ...new TextEncoder().encode(json));

function codeOf(act: () => unknown): string | undefined {
  try {
    act();
  } catch (error) {
    return isJobferryError(error) ? error.code : "no JobferryError";
  }
  return undefined;
}

test("every field survives a round trip, those of later versions too", () => {
  const back = decodeEnvelope(encodeEnvelope(FULL));
  expect(back).toEqual(FULL);
  expect(Object.keys(back.headers)).toEqual(Object.keys(headers));
  expect(Object.keys(back.unknown)).toEqual(Object.keys(FULL.unknown));
  expect(decodeEnvelope(encodeEnvelope(back))).toEqual(FULL);
});

test("the list of known fields is the type's", () => {
  expect([...ENVELOPE_FIELDS, "kind", "unknown"].toSorted()).toEqual(Object.keys(FULL).toSorted());
});

test.each([0, 1, 2, 3] as const)("a plain envelope of kind %d is two shared bytes", (kind) => {
  const bytes = encodeEnvelope(plainEnvelope(kind));
  expect([...bytes]).toEqual([ENVELOPE_VERSION, kind]);
  expect(bytes).toBe(plainEnvelopeBytes(kind));
  expect(decodeEnvelope(bytes)).toEqual(plainEnvelope(kind));
});

test.each([1_000, [1, 2, 3], { base: 1, max: 2, jitter: 0 }])("backoff %o round-trips", (backoff) => {
  expect(decodeEnvelope(encodeEnvelope({ ...plainEnvelope(3), backoff })).backoff).toEqual(backoff);
});

test("a newer version is told apart from damage", () => {
  expect(codeOf(() => decodeEnvelope(Uint8Array.of(ENVELOPE_VERSION + 1, 3)))).toBe("ENVELOPE_NEWER");
  expect(codeOf(() => decodeEnvelope(Uint8Array.of(255)))).toBe("ENVELOPE_NEWER");
});

test.each([
  ["nothing", new Uint8Array(0)],
  ["one byte", Uint8Array.of(ENVELOPE_VERSION)],
  ["version 0", Uint8Array.of(0, 3)],
  ["no such kind", Uint8Array.of(ENVELOPE_VERSION, 4)],
  ["no UTF-8", Uint8Array.of(ENVELOPE_VERSION, 3, 0xff)],
  ["no JSON", withJson("{")],
  ["an array", withJson("[]")],
  ["null", withJson("null")],
  ["a text", withJson('"x"')],
  ["maxAttempts", withJson('{"maxAttempts":"3"}')],
  ["null timeout", withJson('{"timeout":null}')],
  ["delay", withJson('{"delay":{}}')],
  ["headers of numbers", withJson('{"headers":{"a":1}}')],
  ["headers as array", withJson('{"headers":["a"]}')],
  ["headers as text", withJson('{"headers":"a"}')],
  ["key", withJson('{"key":1}')],
  ["backoff", withJson('{"backoff":{"base":1}}')],
  ["empty backoff", withJson('{"backoff":[]}')],
])("damage is told: %s", (_, bytes) => {
  expect(codeOf(() => decodeEnvelope(bytes))).toBe("ENVELOPE_DAMAGED");
});

test("any cut of the bytes is damage or another whole envelope, never another error", () => {
  const bytes = encodeEnvelope(FULL);
  for (let length = 0; length < bytes.length; length += 1) {
    if (length === 2) continue; // the plain one
    expect(
      codeOf(() => decodeEnvelope(bytes.subarray(0, length))),
      String(length),
    ).toBe("ENVELOPE_DAMAGED");
  }
});

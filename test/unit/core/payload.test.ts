import { describe, expect, test } from "vitest";
import { createJob, Queue } from "../../../src/core/index.ts";
import { decodePayload, PayloadKind } from "../../../src/core/index.ts";
import { copyChecked, copyJson } from "../../../src/core/json-value.ts";
import { boundPayloadSize, copyPayload, encodePayload, kindOfPayload } from "../../../src/core/payload.ts";
import { memoryDriver } from "../../../src/drivers/memory/memory-driver.ts";
import { isJobferryError } from "../../../src/errors/index.ts";
import { virtualClock } from "../../../src/testing/virtual-clock.ts";
import { popOne } from "./stage.ts";

/** On both ways: encoded for a store, and copied for a driver inside the process. */
function bothWays(value: unknown): readonly unknown[] {
  const kind = kindOfPayload(value);
  return [decodePayload(kind, encodePayload(kind, value)), copyPayload(kind, value)];
}

const protoKey = JSON.parse('{"__proto__":{"polluted":true},"constructor":{"prototype":1}}') as unknown;

test.each([
  ["undefined", undefined],
  ["empty text", ""],
  ["text", "grüße 😀 \0 \u2028"],
  ["a lone surrogate", "a\ud800b"],
  ["a byte order mark", "\ufeffx"],
  ["null", null],
  ["false", false],
  ["zero", 0],
  ["a large number", 1.7976931348623157e308],
  ["an empty array", []],
  ["an empty object", {}],
  ["empty bytes", new Uint8Array(0)],
  ["bytes", Uint8Array.of(0, 255, 128)],
  ["nested", { a: [{ b: null }, "x", [[]]], "": { "key with \ud800": "\udfff" } }],
  ["no prototype", Object.assign(Object.create(null) as object, { a: 1 })],
  ["prototype keys", protoKey],
])("%s comes back as it was", (_, value) => {
  for (const back of bothWays(value)) {
    expect(back).toEqual(value);
    if (typeof value === "object" && value !== null) expect(back).not.toBe(value);
  }
});

test("prototype keys stay keys", () => {
  for (const back of [...bothWays(protoKey), copyChecked(copyJson(protoKey))]) {
    expect(Object.keys(back as object)).toEqual(["__proto__", "constructor"]);
    expect(Object.getPrototypeOf(back)).toBe(Object.prototype);
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  }
});

test("-0 becomes 0 and undefined members go, on both ways alike", () => {
  for (const back of bothWays({ zero: -0, list: [-0], gone: undefined })) {
    expect(Object.is((back as { zero: number }).zero, 0)).toBe(true);
    expect(Object.is((back as { list: number[] }).list[0], 0)).toBe(true);
    expect(Object.keys(back as object)).toEqual(["zero", "list"]);
  }
  for (const back of bothWays(-0)) expect(Object.is(back, 0)).toBe(true);
});

test("a subarray and a Buffer are only what they show", () => {
  const whole = Uint8Array.of(1, 2, 3, 4);
  for (const back of bothWays(whole.subarray(1, 3))) expect(back).toEqual(Uint8Array.of(2, 3));
  for (const back of bothWays(Buffer.from("hi"))) {
    expect(back).toEqual(Uint8Array.of(104, 105));
    expect(Object.getPrototypeOf(back)).toBe(Uint8Array.prototype);
  }
});

class Money {
  amount = 1;
}
const cycle: Record<string, unknown> = { inner: {} };
(cycle["inner"] as Record<string, unknown>)["back"] = cycle;
const deep = (levels: number): unknown => {
  let value: unknown = 1;
  for (let i = 0; i < levels; i += 1) value = [value];
  return value;
};

const REFUSED: readonly Readonly<{ label: string; value: unknown; says: string }>[] = [
  { label: "NaN", value: Number.NaN, says: "payload is NaN" },
  { label: "Infinity inside", value: { a: [1, Infinity] }, says: 'payload["a"][1] is Infinity' },
  { label: "bigint", value: { n: 3n }, says: 'payload["n"] is 3n' },
  { label: "symbol", value: [Symbol("s")], says: "payload[0] is Symbol(s)" },
  { label: "function", value: { run: (): void => undefined }, says: 'payload["run"] is a function' },
  { label: "toJSON", value: { toJSON: (): number => 1 }, says: 'payload["toJSON"] is a function' },
  { label: "undefined in an array", value: [undefined], says: "payload[0] is undefined" },
  // oxlint-disable-next-line no-sparse-arrays
  { label: "a hole", value: [1, , 3], says: "payload[1] is undefined" },
  { label: "Date", value: { at: new Date(0) }, says: 'payload["at"] is an object (Date); convert it first' },
  { label: "Map", value: new Map(), says: "payload is an object (Map); convert it first" },
  { label: "Set", value: new Set(), says: "payload is an object (Set)" },
  { label: "RegExp", value: /x/, says: "payload is an object (RegExp)" },
  { label: "class instance", value: { price: new Money() }, says: 'payload["price"] is an object (Money)' },
  { label: "boxed", value: Object("x"), says: "payload is an object (String)" },
  { label: "bytes inside", value: { b: new Uint8Array(1) }, says: 'payload["b"] is an object (Uint8Array)' },
  { label: "other bytes", value: new Float64Array(1), says: "payload is an object (Float64Array)" },
  { label: "subclass of Array", value: new (class List extends Array<number> {})(), says: "payload is an array" },
  { label: "symbol key", value: { [Symbol("k")]: 1 }, says: "symbol keys" },
  { label: "cycle", value: cycle, says: "nested deeper than 500 levels or contains itself" },
  { label: "depth", value: deep(502), says: "nested deeper than 500 levels" },
];

describe.each(REFUSED)("$label", ({ value, says }) => {
  test.each([
    ["encoded", (): unknown => encodePayload(kindOfPayload(value), value)],
    ["copied", (): unknown => copyPayload(kindOfPayload(value), value)],
  ])("is refused when it is %s, with the place", (_, act) => {
    expect(act).toThrow(says);
    try {
      act();
    } catch (error) {
      expect(isJobferryError(error, "PAYLOAD_INVALID")).toBe(true);
      expect((error as Error).message.length).toBeLessThan(400);
    }
  });
});

test("500 levels are taken", () => {
  for (const back of bothWays(deep(500))) expect(back).toEqual(deep(500));
});

test("the bound of the size is never below the size", () => {
  for (const value of [
    "\ud800\u0001😀",
    { "\u0001": -Number.MAX_VALUE / 3, b: [true, null, "ü"] },
    [[], {}],
    "ü",
    1e21,
  ]) {
    const kind = kindOfPayload(value);
    expect(boundPayloadSize(kind, value)).toBeGreaterThanOrEqual(encodePayload(kind, value).length);
  }
});

test("damaged stored payloads are told, not guessed", () => {
  const broken = Uint8Array.of(0xff, 0xfe);
  for (const kind of [PayloadKind.text, PayloadKind.json])
    expect(() => decodePayload(kind, broken)).toThrow("not what its envelope says");
  expect(() => decodePayload(PayloadKind.json, new Uint8Array(0))).toThrow("not what its envelope says");
});

test("a delivered copy is private: changes reach neither the queue nor the producer", async () => {
  await using queue = new Queue(memoryDriver(), { clock: virtualClock() });
  const payload = { list: [1], bytes: "x" };
  await queue.push(createJob(payload));
  payload.list.push(2);
  const first = await popOne(queue);
  expect(first.payload).toEqual({ list: [1], bytes: "x" });
  (first.payload as typeof payload).list.push(3);
  await first.release();
  expect((await queue.pop())?.payload).toEqual({ list: [1], bytes: "x" });
});

test("a delivered copy of bytes is private, too", async () => {
  await using queue = new Queue(memoryDriver(), { clock: virtualClock() });
  const bytes = Uint8Array.of(1, 2);
  await queue.push(createJob(bytes));
  bytes[0] = 9;
  const first = await popOne(queue);
  expect(first.payload).toEqual(Uint8Array.of(1, 2));
  (first.payload as Uint8Array)[1] = 9;
  await first.release();
  expect((await queue.pop())?.payload).toEqual(Uint8Array.of(1, 2));
});

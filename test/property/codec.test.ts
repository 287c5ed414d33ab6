import { deepStrictEqual as same } from "node:assert/strict";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  createJob,
  decodeEnvelope,
  decodePayload,
  deserializeJob,
  encodeEnvelope,
  type Envelope,
  Queue,
  serializeJob,
} from "../../src/core/index.ts";
import { boundPayloadSize, copyPayload, encodePayload, kindOfPayload } from "../../src/core/payload.ts";
import { decodeResult, encodeResult } from "../../src/core/result.ts";
import { memoryDriver } from "../../src/drivers/memory/memory-driver.ts";
import { sqliteDriver } from "../../src/drivers/sqlite/index.ts";
import { isJobferryError } from "../../src/errors/index.ts";
import { silentLogger } from "../../src/runtime/index.ts";
import { virtualClock } from "../../src/testing/virtual-clock.ts";

/** Any text, lone surrogates and keys that attack prototypes included. */
const text = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.string({ unit: fc.nat(0xffff).map((unit) => String.fromCharCode(unit)) }),
);
const key = fc.oneof(text, fc.constantFrom("__proto__", "constructor", "toString", "length", "toJSON", "0"));
const number = fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => (value === 0 ? 0 : value));

const { json } = fc.letrec((tie) => ({
  json: fc.oneof({ maxDepth: 4 }, fc.constant(null), fc.boolean(), number, text, tie("list"), tie("record")),
  list: fc.array(tie("json"), { maxLength: 5 }),
  record: fc.array(fc.tuple(key, tie("json")), { maxLength: 5 }).map(recordOf),
}));
const payload = fc.oneof(json, fc.uint8Array(), fc.constant(undefined));

function recordOf(entries: readonly (readonly [string, unknown])[]): Record<string, unknown> {
  const record = {};
  for (const [name, value] of entries)
    Object.defineProperty(record, name, { value, enumerable: true, configurable: true, writable: true });
  return record;
}

const wellFormed = fc.string({ unit: "binary" }).map((value) => value.toWellFormed());
const texts = fc
  .array(fc.tuple(fc.oneof(wellFormed, fc.constant("__proto__")), wellFormed), { maxLength: 4 })
  .map(recordOf) as fc.Arbitrary<Record<string, string>>;
const duration = fc.oneof(
  fc.nat(),
  fc.double({ min: 0, max: 1e9, noNaN: true }).map((value) => value + 0),
);
const maybe = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(arbitrary, { nil: undefined });

const envelope: fc.Arbitrary<Envelope> = fc.record(
  {
    kind: fc.constantFrom(0 as const, 1 as const, 2 as const, 3 as const),
    maxAttempts: maybe(fc.integer({ min: 1, max: 1_000_000 })),
    maxExceptions: maybe(fc.integer({ min: 1, max: 1_000_000 })),
    maxLosses: maybe(fc.integer({ min: 1, max: 1_000_000 })),
    backoff: maybe(
      fc.oneof(
        duration,
        fc.array(duration, { minLength: 1, maxLength: 4 }),
        fc.record(
          {
            base: duration,
            max: duration,
            jitter: fc.double({ min: 0, max: 1, noNaN: true }).map((value) => value + 0),
          },
          { noNullPrototype: true },
        ),
      ),
    ),
    timeout: maybe(duration),
    retryUntil: maybe(fc.nat({ max: 8e15 })),
    delay: duration,
    headers: texts,
    key: maybe(wellFormed),
    unknown: fc
      .array(
        fc.tuple(
          fc.oneof(
            wellFormed.map((name) => `x${name}`),
            fc.constant("__proto__"),
          ),
          json,
        ),
        { maxLength: 3 },
      )
      .map(recordOf),
  },
  { noNullPrototype: true },
);

test("a payload is encoded and copied without change, and never larger than its bound", () => {
  fc.assert(
    fc.property(payload, (value) => {
      const kind = kindOfPayload(value);
      const bytes = encodePayload(kind, value);
      same(decodePayload(kind, bytes), value);
      same(copyPayload(kind, value), value);
      expect(boundPayloadSize(kind, value)).toBeGreaterThanOrEqual(bytes.length);
      same(decodeResult(encodeResult(value)), value);
    }),
    { numRuns: 2_000 },
  );
});

test("an envelope survives, whatever a later version wrote beside the known fields", () => {
  fc.assert(
    fc.property(envelope, (value) => {
      same(decodeEnvelope(encodeEnvelope(value)), value);
    }),
    { numRuns: 2_000 },
  );
});

test("any bytes are an envelope, or damage, or of a newer version: nothing else is thrown", () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.constantFrom([], [1, 3], [1, 0]), (bytes, start) => {
      try {
        decodeEnvelope(Uint8Array.of(...start, ...bytes));
      } catch (error) {
        expect(isJobferryError(error, "ENVELOPE_DAMAGED") || isJobferryError(error, "ENVELOPE_NEWER")).toBe(true);
      }
    }),
    { numRuns: 2_000 },
  );
});

test("any change of one byte of a serialized job is told or gives a job, never another error", () => {
  const bytes = serializeJob(createJob({ a: 1 }, { tags: { b: "c" }, maxAttempts: 3, delay: "1s" }));
  fc.assert(
    fc.property(fc.nat({ max: bytes.length - 1 }), fc.nat({ max: 255 }), (at, byte) => {
      try {
        deserializeJob(bytes.with(at, byte));
      } catch (error) {
        expect(
          isJobferryError(error, "ENVELOPE_DAMAGED") || isJobferryError(error, "ENVELOPE_NEWER"),
          String(error),
        ).toBe(true);
      }
    }),
    { numRuns: 2_000 },
  );
});

test.each([
  ["memory", () => new Queue(memoryDriver(), { clock: virtualClock(), logger: silentLogger, keepCompleted: true })],
  [
    "SQLite",
    () =>
      new Queue(sqliteDriver({ path: ":memory:" }), {
        clock: virtualClock(),
        logger: silentLogger,
        keepCompleted: true,
      }),
  ],
] as const)("a job goes through %s as it was pushed, and its result comes back", async (_, open) => {
  const queue = open() as Queue;
  const options = fc.record({
    tags: texts,
    headers: texts,
    priority: fc.integer({ min: -1_000_000_000, max: 1_000_000_000 }),
    timeout: maybe(fc.integer({ min: 1 })),
  });
  await fc.assert(
    fc.asyncProperty(payload, options, payload, async (value, { timeout, ...rest }, result) => {
      const pushed = await queue.push(createJob<unknown>(value, timeout === undefined ? rest : { ...rest, timeout }));
      const job = await queue.pop();
      same(job?.payload, value);
      same(pushed.payload, value);
      for (const one of [pushed, job]) expect(one).toMatchObject({ id: pushed.id, priority: rest.priority, timeout });
      same({ ...job?.tags }, rest.tags);
      same({ ...job?.headers }, rest.headers);
      await job?.complete(result);
      const record = await queue.records.get(pushed.id);
      same(record?.result, result);
      same(record?.payload, value);
    }),
    { numRuns: 300 },
  );
  await queue.close();
});

import assert from "node:assert/strict";
import {
  createJob,
  decodeEnvelope,
  encodeEnvelope,
  type Envelope,
  type JobOptions,
  Queue,
} from "../../../core/index.ts";
import { silentLogger } from "../../../runtime/index.ts";
import type { CaseGroup, CaseSpec } from "../case.ts";
import { heldOpen } from "../held-open.ts";
import * as needs from "../requirements.ts";
import { EVERY_BYTE, hostileTags, noise } from "../samples.ts";
import { QUEUE } from "../stage.ts";
import type { Stage } from "../stage.ts";

/** What users have on top of the driver: the same queue class, on a driver that the stage opened. */
async function withQueue(stage: Stage, use: (queue: Queue) => Promise<void>): Promise<void> {
  const queue = new Queue(heldOpen(stage.driver, stage.capabilities), {
    clock: stage.clock,
    logger: silentLogger,
    lease: stage.leaseMs,
  });
  await use(queue);
  await stage.settles(queue.close(), stage.patienceMs, "close of the queue");
}

type FieldSample<T> = Readonly<{ payload?: unknown; options?: JobOptions; value: T }>;

/** Generated from the type: a new field of the envelope does not compile until it has a sample. What no option sets is written into the bytes. */
type EnvelopeSamples = { readonly [K in keyof Required<Envelope>]: FieldSample<Envelope[K]> };

/** Version 1, no payload. */
const PLAIN: Envelope = decodeEnvelope(Uint8Array.of(1, 0));
const RETRY_UNTIL = Date.UTC(2090, 0, 1);

const samples: EnvelopeSamples = {
  kind: { payload: "text", value: 2 },
  maxAttempts: { options: { maxAttempts: 17 }, value: 17 },
  maxExceptions: { options: { maxExceptions: 4 }, value: 4 },
  maxLosses: { options: { maxLosses: 6 }, value: 6 },
  backoff: {
    options: { backoff: { base: "1s", max: "1m", jitter: 0.5 } },
    value: { base: 1_000, max: 60_000, jitter: 0.5 },
  },
  timeout: { options: { timeout: "90s" }, value: 90_000 },
  retryUntil: { options: { retryUntil: new Date(RETRY_UNTIL) }, value: RETRY_UNTIL },
  delay: { value: 12_345 },
  headers: { options: { headers: hostileTags() }, value: hostileTags() },
  key: { value: "ключ 🚀" },
  unknown: { value: { later: { than: ["this", 1, null] } } },
};

async function fieldTravels<K extends keyof Envelope>(
  stage: Stage,
  field: K,
  sample: FieldSample<Envelope[K]>,
): Promise<void> {
  if (sample.options === undefined && sample.payload === undefined) {
    await stage.push(stage.item({ envelope: encodeEnvelope({ ...PLAIN, [field]: sample.value }) }));
  } else {
    await withQueue(stage, async (queue) => {
      await stage.settles(
        queue.push(createJob(sample.payload, { ...sample.options, queue: QUEUE })),
        stage.patienceMs,
        "push",
      );
    });
  }
  const first = await stage.takeOne();
  sameValue(decodeEnvelope(first.job.envelope)[field], sample.value, field);
  await stage.release(first);
  sameValue(decodeEnvelope((await stage.takeOne()).job.envelope)[field], sample.value, `${field} after a release`);
}

/** Also sees an own key `__proto__`. */
function sameValue(actual: unknown, wanted: unknown, what: string): void {
  assert.equal(JSON.stringify(sortedKeys(actual)), JSON.stringify(sortedKeys(wanted)), what);
}

function sortedKeys(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
}

const envelopeCases: readonly CaseSpec[] = Object.entries(samples).map(([field, sample]) => ({
  name: `the envelope's ${field} travels with the job`,
  run: (stage: Stage) => fieldTravels(stage, field as keyof Envelope, sample as FieldSample<never>),
}));

function deep(levels: number): unknown {
  let value: unknown = "core";
  for (let level = 0; level < levels; level += 1) value = level % 2 === 0 ? [value] : { in: value };
  return value;
}

type PayloadSample = Readonly<{ of: string; requires?: needs.Requirement; payload: () => unknown }>;

const payloads: readonly PayloadSample[] = [
  { of: "nothing", payload: () => undefined },
  { of: "no bytes", payload: () => new Uint8Array(0) },
  { of: "every byte", payload: () => EVERY_BYTE },
  { of: "a part of a larger buffer", payload: () => noise(5_000).subarray(100, 4_000) },
  { of: "1 MB of bytes", requires: needs.megabytePayloads, payload: () => noise(1_000_000) },
  { of: "an empty text", payload: () => "" },
  { of: "text with every kind of character", payload: () => "\u0000\u007f ü 名前 🚀 \ufeff\u2028\u{10ffff}" },
  { of: "text with a lone surrogate", payload: () => "a\ud800b\udc00" },
  { of: "text that looks like JSON", payload: () => '{"a":1}' },
  { of: "1 MB of text", requires: needs.megabytePayloads, payload: () => "x".repeat(1_000_000) },
  { of: "null", payload: () => null },
  { of: "false", payload: () => false },
  { of: "a number", payload: () => -1.5e-7 },
  { of: "an empty object", payload: () => ({}) },
  { of: "an empty array", payload: () => [] },
  { of: "a nested value", payload: () => ({ list: [1, "two", null, { three: [] }], "key with 🚀": "\ud83d" }) },
  {
    of: "keys that attack prototypes",
    payload: () => JSON.parse('{"__proto__":{"polluted":true},"constructor":{"prototype":1},"a":1}') as unknown,
  },
  { of: "a value 200 levels deep", payload: () => deep(200) },
];

async function payloadTravels(stage: Stage, payload: unknown): Promise<void> {
  await withQueue(stage, async (queue) => {
    await stage.settles(queue.push(createJob(payload, { queue: QUEUE })), stage.patienceMs, "push");
    const wait = Math.ceil(stage.patienceMs);
    const popped = await stage.settles(queue.pop({ queue: QUEUE, wait }), 2 * wait, "pop");
    assert.ok(popped, "the job that was pushed can be popped");
    samePayload(popped.payload, payload);
    assert.ok(popped.bytes instanceof Uint8Array, "bytes");
    await stage.settles(popped.complete(), stage.patienceMs, "complete");
  });
}

function samePayload(actual: unknown, wanted: unknown): void {
  assert.equal(
    actual instanceof Uint8Array,
    wanted instanceof Uint8Array,
    "bytes come back as bytes, and nothing else does",
  );
  if (actual instanceof Uint8Array && wanted instanceof Uint8Array)
    return assert.equal(Buffer.compare(actual, wanted), 0, "the bytes");
  assert.equal(typeof actual, typeof wanted, "the kind of the payload");
  assert.equal(JSON.stringify(actual), JSON.stringify(wanted), "the payload");
  assert.equal(({} as Record<string, unknown>)["polluted"], undefined, "the prototype of objects");
}

const payloadCases: readonly CaseSpec[] = payloads.map(({ of, requires, payload }) => ({
  name: `a payload comes back as what it was: ${of}`,
  ...(requires === undefined ? {} : { requires }),
  run: (stage: Stage) => payloadTravels(stage, payload()),
}));

/** Every option of a job that shows on it afterwards. */
type Shown = Omit<
  Required<JobOptions>,
  "delay" | "retryUntil" | "backoff" | "maxLosses" | "maxExceptions" | "priority"
>;

const shown: Shown = {
  id: "user's own id/🚀",
  name: "send-mail",
  queue: QUEUE,
  tags: { tenant: "é", empty: "" },
  headers: { traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" },
  maxAttempts: 9,
  timeout: 2_000,
};

export const envelope: CaseGroup = {
  group: "envelope",
  cases: [
    ...envelopeCases,
    ...payloadCases,
    {
      name: "every option of a job shows on it when it is popped",
      run: (stage) =>
        withQueue(stage, async (queue) => {
          await stage.settles(queue.push(createJob({ a: 1 }, shown)), stage.patienceMs, "push");
          const wait = Math.ceil(stage.patienceMs);
          const popped = await stage.settles(queue.pop({ queue: QUEUE, wait }), 2 * wait, "pop");
          assert.ok(popped, "the job that was pushed can be popped");
          for (const [option, value] of Object.entries(shown)) {
            sameValue(popped[option as keyof Shown], value, `${option} of the popped job`);
          }
          assert.equal(popped.attempts, 1);
          await stage.settles(popped.complete(), stage.patienceMs, "complete");
        }),
    },
  ],
};

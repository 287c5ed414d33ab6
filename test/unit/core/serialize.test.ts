import { describe, expect, test } from "vitest";
import { createJob, deserializeJob, type Job, type JobOptions, Queue, serializeJob } from "../../../src/core/index.ts";
import { decodeEnvelope, encodeEnvelope } from "../../../src/core/index.ts";
import { UnsentJob } from "../../../src/core/new-job.ts";
import { memoryDriver } from "../../../src/drivers/memory/memory-driver.ts";
import { isJobferryError } from "../../../src/errors/index.ts";
import { FakeDriver } from "./fake-driver.ts";
import { virtualClock } from "../../../src/testing/virtual-clock.ts";

/** Every option with a value other than its default: a new one does not compile until it is here. */
const OPTIONS: Required<JobOptions> = {
  id: "order/7 😀",
  name: "mail",
  queue: "reports",
  delay: "90s",
  retryUntil: new Date(1_900_000_000_000),
  priority: -3,
  tags: JSON.parse('{"a":"1","__proto__":"2"}') as Record<string, string>,
  headers: { traceparent: "00-1" },
  maxAttempts: 9,
  maxLosses: 4,
  maxExceptions: 2,
  backoff: ["1s", "5s"],
  timeout: "30s",
};

/** What a serialized job must bring back; state is not among it. */
const FIELDS: readonly (keyof Job)[] = [
  "id",
  "name",
  "queue",
  "payload",
  "bytes",
  "maxAttempts",
  "timeout",
  "delay",
  "priority",
  "tags",
  "headers",
  "createdAt",
];
const STATE: readonly (keyof Job)[] = ["attempts", "losses", "exceptions", "availableAt", "reservedAt"];

describe.each(Object.keys(OPTIONS) as (keyof JobOptions)[])("%s", (option) => {
  test("survives a round trip", () => {
    const job = createJob({ a: 1 }, { [option]: OPTIONS[option] });
    const back = deserializeJob(serializeJob(job));
    for (const field of FIELDS) expect(back[field], field).toEqual(job[field]);
    const fields = (one: unknown): unknown => UnsentJob.envelopeOf(one as UnsentJob);
    expect(fields(back)).toEqual(fields(job));
  });
});

test("the two lists name every field of a job", async () => {
  await using queue = new Queue(memoryDriver(), { clock: virtualClock() });
  const job = await queue.push(createJob(1));
  const shown = Object.keys(JSON.parse(JSON.stringify(job)) as object);
  expect([...FIELDS, ...STATE]).toEqual(expect.arrayContaining(shown));
});

test("maxLosses of a popped job travels on, on a store that gives back bytes only", async () => {
  await using queue = new Queue(new FakeDriver(), { clock: virtualClock(), defaults: { maxLosses: 9 } });
  await queue.push(createJob(1, { maxLosses: 4, id: "own" }));
  await queue.push(createJob(1, { id: "the queue's" }));
  const losses = async (): Promise<number | undefined> => {
    const popped = await queue.pop();
    return popped === undefined
      ? undefined
      : UnsentJob.envelopeOf(deserializeJob(serializeJob(popped)) as UnsentJob).maxLosses;
  };
  expect(await losses()).toBe(4);
  expect(await losses()).toBeUndefined();
});

test.each([undefined, "text", "a\ud800", Uint8Array.of(0, 255), { a: [null] }, 0, null])(
  "payload %o survives a round trip",
  (payload) => {
    const back = deserializeJob(serializeJob(createJob(payload)));
    expect(back.payload).toEqual(payload);
  },
);

test("a pushed and a popped job can be serialized, and what comes back can be pushed", async () => {
  await using queue = new Queue(memoryDriver(), { clock: virtualClock() });
  const { delay: _, ...now } = OPTIONS;
  const pushed = await queue.push(createJob({ a: 1 }, now));
  const popped = await queue.pop({ queue: "reports" });
  expect(popped).toBeDefined();
  if (popped === undefined) return;
  expect(serializeJob(popped)).toEqual(serializeJob(pushed));
  await popped.complete();
  const again = deserializeJob(serializeJob(popped));
  await queue.push(again);
  const second = await queue.pop({ queue: "reports" });
  for (const field of FIELDS.filter((one) => one !== "createdAt"))
    expect(second?.[field], field).toEqual(pushed[field]);
});

test("a time stays a time: it does not move with the day on which the bytes are read", () => {
  const at = new Date(Date.now() + 3_600_000);
  const back = deserializeJob(serializeJob(createJob(1, { delay: at })));
  expect(UnsentJob.runAtOf(back as UnsentJob)).toBe(at.getTime());
});

test("what a later version wrote is carried along: unknown fields and the key", () => {
  const bytes = serializeJob(createJob("p", { id: "x" }));
  const [head, payload] = parts(bytes);
  const envelope = { ...decodeEnvelope(Uint8Array.of(1, 2)), key: "k", unknown: { unique: { for: 5 } } };
  const newer = joined(head, encodeEnvelope(envelope), payload);
  const again = serializeJob(deserializeJob(newer));
  expect(again).toEqual(newer);
});

test("bytes in the middle of a larger buffer are read", () => {
  const bytes = serializeJob(createJob({ a: 1 }, OPTIONS));
  const buffer = new Uint8Array(bytes.length + 20);
  buffer.set(bytes, 10);
  expect(deserializeJob(buffer.subarray(10, 10 + bytes.length)).payload).toEqual({ a: 1 });
});

test("what is no job is refused", () => {
  expect(() => serializeJob({ id: "x" } as unknown as Job)).toThrow("made by createJob");
  const bytes = serializeJob(createJob({ a: 1 }, OPTIONS));
  expect(codeOf(bytes.with(1, 2))).toBe("ENVELOPE_NEWER");
  for (const broken of [
    new Uint8Array(0),
    Uint8Array.of(1, 2, 3),
    bytes.with(0, 0),
    bytes.with(2, 255),
    bytes.subarray(0, 40),
  ])
    expect(codeOf(broken)).toBe("ENVELOPE_DAMAGED");
  for (const head of [
    "null",
    "[]",
    "{",
    '{"id":1}',
    headOf({ priority: 0.5 }),
    headOf({ tags: null }),
    headOf({ name: "" }),
    headOf({ runAt: "x" }),
  ])
    expect(codeOf(withHead(bytes, head)), head).toBe("ENVELOPE_DAMAGED");
});

function codeOf(bytes: Uint8Array): string | undefined {
  try {
    deserializeJob(bytes);
  } catch (error) {
    return isJobferryError(error) ? error.code : String(error);
  }
  return undefined;
}

function headOf(change: object): string {
  return JSON.stringify({ id: "x", name: "n", queue: "q", priority: 0, tags: {}, createdAt: 1, ...change });
}

function parts(bytes: Uint8Array): readonly [head: Uint8Array, payload: Uint8Array] {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const headEnd = 10 + view.getUint32(2);
  return [bytes.subarray(10, headEnd), bytes.subarray(headEnd + view.getUint32(6))];
}

function joined(head: Uint8Array, envelope: Uint8Array, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array([0x4a, 1, 0, 0, 0, 0, 0, 0, 0, 0, ...head, ...envelope, ...payload]);
  const view = new DataView(bytes.buffer);
  view.setUint32(2, head.length);
  view.setUint32(6, envelope.length);
  return bytes;
}

function withHead(bytes: Uint8Array, head: string): Uint8Array {
  return joined(new TextEncoder().encode(head), Uint8Array.of(1, 0), parts(bytes)[1]);
}

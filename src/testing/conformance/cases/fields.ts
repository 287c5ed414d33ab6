import assert from "node:assert/strict";
import type { PushItem, StoredJob, Texts } from "../../../contract/index.ts";
import { idOfSequence, nextSequence } from "../../../runtime/index.ts";
import type { CaseGroup, CaseSpec } from "../case.ts";
import * as needs from "../requirements.ts";
import type { Requirement } from "../requirements.ts";
import { bytesOf, EVERY_BYTE, HOSTILE_NAMES, hostileTags, noise } from "../samples.ts";
import { idsOf, QUEUE } from "../stage.ts";
import type { Stage } from "../stage.ts";

type Sample = Readonly<{
  of: string;
  requires?: Requirement;
  change: (stage: Stage) => Partial<PushItem>;
  arrives: (job: StoredJob, item: PushItem, stage: Stage) => void;
}>;

/** Generated from the type: a new field of PushItem does not compile until it has samples here. */
type Samples = { readonly [K in keyof PushItem]-?: readonly Sample[] };

function sameBytes(
  field: "envelope" | "payload",
  bytes: (stage: Stage) => Uint8Array,
  of: string,
  requires?: Requirement,
): Sample {
  return {
    of,
    ...(requires === undefined ? {} : { requires }),
    change: (stage) => ({ [field]: bytes(stage) }),
    arrives: (job, item) => {
      assert.ok(job[field] instanceof Uint8Array, `${field} is a Uint8Array`);
      assert.ok(Buffer.compare(job[field], item[field]) === 0, `${field} comes back byte for byte`);
    },
  };
}

function bytesSamples(field: "envelope" | "payload"): readonly Sample[] {
  return [
    sameBytes(field, () => new Uint8Array(0), "nothing at all"),
    sameBytes(field, () => EVERY_BYTE, "every byte there is"),
    sameBytes(field, () => noise(10_000).subarray(17, 9_000), "a part of a larger buffer"),
    sameBytes(field, () => Uint8Array.of(0xed, 0xa0, 0x80, 0xff, 0xfe, 0x00), "bytes that are no UTF-8"),
    sameBytes(
      field,
      () => bytesOf('{"__proto__":{"polluted":true},"constructor":null}'),
      "JSON that attacks prototypes",
    ),
  ];
}

function same<K extends "id" | "queue" | "name" | "priority" | "createdAt">(
  field: K,
  of: string,
  value: (stage: Stage) => PushItem[K],
  requires?: Requirement,
): Sample {
  return {
    of,
    ...(requires === undefined ? {} : { requires }),
    change: (stage) => ({ [field]: value(stage) }),
    arrives: (job, item) => assert.equal(job[field], item[field], field),
  };
}

const samples: Samples = {
  id: [
    same("id", "a UUID", () => "0192a3b4-c5d6-7e8f-9a0b-1c2d3e4f5a6b"),
    same("id", "200 characters outside ASCII", () => "名".repeat(200)),
    same("id", "separators and wildcards", () => "a/b:c.d*{e}%2F'\"--"),
  ],
  sequence: [
    {
      of: "the number in an id of this process",
      change: () => {
        const sequence = nextSequence();
        return { sequence, id: idOfSequence(sequence) };
      },
      arrives: (job, item) => assert.equal(job.id, item.id),
    },
    {
      of: "none, as for an id of the user's",
      change: () => ({ sequence: undefined }),
      arrives: (job, item) => assert.equal(job.id, item.id),
    },
  ],
  queue: [same("queue", "outside ASCII", () => "очередь/🚀")],
  name: [
    same("name", "outside ASCII", () => "e-mail.senden:é"),
    same("name", "a word of the language", () => "__proto__"),
  ],
  priority: [
    same("priority", "the highest", (stage) => stage.capabilities.priority.max, needs.priorities),
    same("priority", "the lowest", (stage) => stage.capabilities.priority.min, needs.priorities),
  ],
  tags: [
    { of: "none", change: () => ({ tags: {} }), arrives: (job) => assert.deepEqual(Object.entries(job.tags), []) },
    {
      of: "hostile keys and values",
      change: () => ({ tags: hostileTags() }),
      arrives: (job, item) => {
        sameTags(job, item);
        assert.equal(({} as Record<string, unknown>)["polluted"], undefined, "the prototype of objects");
      },
    },
  ],
  delayMs: [
    {
      of: "a delay",
      requires: needs.delays,
      change: (stage) => ({ delayMs: stage.delayMs }),
      arrives: (job, item) =>
        assert.ok(
          job.availableAt - item.createdAt >= item.delayMs,
          `available at ${job.availableAt}, ${item.delayMs} ms after ${item.createdAt}`,
        ),
    },
  ],
  runAt: [
    {
      of: "a time, which wins over the delay",
      requires: needs.delays,
      change: (stage) => ({ runAt: Math.floor(stage.clock.now()) + stage.delayMs, delayMs: 0 }),
      arrives: (job, item, stage) => {
        const { runAt = 0 } = item;
        assert.ok(
          job.availableAt >= runAt && job.availableAt <= stage.clock.now() + 1,
          `available at ${job.availableAt}, not before ${runAt}`,
        );
      },
    },
    {
      of: "a time that is over",
      change: (stage) => ({ runAt: Math.floor(stage.clock.now()) - 5_000, delayMs: stage.delayMs }),
      arrives: (job) => assert.equal(job.state, "reserved"),
    },
  ],
  // Only seen by what it does: the group "leases" counts to it.
  maxLosses: [{ of: "one", change: () => ({ maxLosses: 1 }), arrives: (job) => assert.equal(job.losses, 0) }],
  createdAt: [
    same("createdAt", "the producer's clock, far behind the store's", () => 1_000_000_000_000),
    same("createdAt", "the producer's clock, far ahead", () => 4_102_444_800_000),
  ],
  envelope: bytesSamples("envelope"),
  payload: [
    ...bytesSamples("payload"),
    sameBytes("payload", () => noise(1_000_000), "1 MB", needs.megabytePayloads),
    sameBytes(
      "payload",
      (stage) => noise(Math.min(stage.capabilities.payload.maxBytes, 1_048_576)),
      "1 MiB, or the largest",
    ),
  ],
  payloadText: [
    ...[
      ["ASCII", "plain"],
      ["one byte a character in memory, two on the wire", "é".repeat(300)],
      ["every length that UTF-8 has", "aé名😀\u0000\u2028"],
    ].map(([of = "", payloadText = ""]) => ({
      of,
      change: (): Partial<PushItem> => ({ payload: bytesOf(payloadText), payloadText }),
      arrives: (job: StoredJob) =>
        assert.ok(Buffer.compare(job.payload, bytesOf(payloadText)) === 0, "the payload is the text as UTF-8"),
    })),
  ],
};

async function roundTrip(stage: Stage, { change, arrives }: Sample): Promise<void> {
  const item = stage.item(change(stage));
  await stage.push(item);
  const waits = item.delayMs > 0 || (item.runAt ?? 0) > stage.clock.now();
  if (waits) await stage.pass(stage.delayMs + stage.capabilities.delay.precisionMs + 1);
  const first = await stage.takeOne({ queues: [item.queue] });
  arrives(first.job, item, stage);
  // What a release, and a copy where that is how a driver releases, makes of it.
  await stage.release(first, { failure: { code: "HANDLER_FAILED", name: "Error", message: "m", stack: undefined } });
  const second = await stage.takeOne({ queues: [item.queue] });
  sameAcrossRelease(first.job, second.job);
}

/** A comparison of objects would not see an own key `__proto__`. */
function sameTags(left: Readonly<{ tags: Texts }>, right: Readonly<{ tags: Texts }>): void {
  assert.deepEqual(new Map(Object.entries(left.tags)), new Map(Object.entries(right.tags)), "tags");
}

function sameAcrossRelease(before: StoredJob, after: StoredJob): void {
  for (const field of ["id", "queue", "name", "priority", "createdAt"] as const)
    assert.equal(after[field], before[field], `${field} after a release`);
  sameTags(after, before);
  for (const field of ["envelope", "payload"] as const)
    assert.ok(Buffer.compare(after[field], before[field]) === 0, `${field} after a release`);
}

const fieldCases: readonly CaseSpec[] = Object.entries(samples).flatMap(([field, list]: [string, readonly Sample[]]) =>
  list.map((sample) => ({
    name: `${field} comes back: ${sample.of}`,
    ...(sample.requires === undefined ? {} : { requires: sample.requires }),
    run: (stage: Stage) => roundTrip(stage, sample),
  })),
);

type Seen = Readonly<{ item: PushItem; before: number; after: number; stage: Stage }>;
type EveryField = Required<StoredJob>;
type Expected = { readonly [K in keyof EveryField]: (value: EveryField[K], seen: Seen) => void };

/** What each field of a job that was just reserved must be. Generated from the type, too. */
const expected: Expected = {
  item: (value, { item, stage }) =>
    assert.equal(
      value,
      stage.driver.keeps === undefined ? undefined : item,
      "the pushed object itself where the driver keeps it",
    ),
  id: (value, { item }) => assert.equal(value, item.id),
  queue: (value, { item }) => assert.equal(value, item.queue),
  name: (value, { item }) => assert.equal(value, item.name),
  priority: (value, { item }) => assert.equal(value, item.priority),
  tags: (value, { item }) => assert.deepEqual({ ...value }, item.tags),
  envelope: (value, { item }) => assert.ok(Buffer.compare(value, item.envelope) === 0),
  payload: (value, { item }) => assert.ok(Buffer.compare(value, item.payload) === 0),
  state: (value) => assert.equal(value, "reserved"),
  attempts: (value) => assert.equal(value, 1),
  losses: (value) => assert.equal(value, 0),
  exceptions: (value) => assert.equal(value, 0),
  createdAt: (value, { item }) => assert.equal(value, item.createdAt),
  availableAt: (value, { before, after }) => between("availableAt", value, before, after),
  reservedAt: (value, { before, after }) => between("reservedAt", value, before, after),
  finishedAt: (value) => assert.equal(value, undefined),
  failure: (value) => assert.equal(value, undefined),
  result: (value) => assert.equal(value, undefined),
};

/** A store's clock may be another machine's; the suite runs beside its store, so a second is ample. */
function between(field: string, value: number | undefined, before: number, after: number): void {
  assert.ok(
    value !== undefined && value >= before - 1_000 && value <= after + 1_000,
    `${field} is ${value}, the clock between ${before} and ${after}`,
  );
}

function checkField<K extends keyof EveryField>(field: K, job: EveryField, seen: Seen): void {
  assert.ok(field in job, `a stored job has the field ${field}`);
  try {
    expected[field](job[field], seen);
  } catch (error) {
    throw new assert.AssertionError({ message: `${field} of a job reserved for the first time: ${String(error)}` });
  }
}

export const fields: CaseGroup = {
  group: "fields",
  cases: [
    ...fieldCases,
    {
      name: "every field of a stored job is what it must be at its first reservation",
      run: async (stage) => {
        const before = stage.clock.now();
        const item = stage.item({ name: "report", tags: { tenant: "a" } });
        await stage.push(item);
        await stage.pass(5);
        const reservation = await stage.takeOne();
        const seen = { item, before, after: stage.clock.now(), stage };
        for (const field of Object.keys(expected) as (keyof EveryField)[]) checkField(field, reservation.job, seen);
      },
    },
    {
      name: "hostile queue names stay apart",
      run: async (stage) => {
        for (const queue of HOSTILE_NAMES) await stage.push(stage.item({ queue, id: `of ${queue}` }));
        for (const queue of HOSTILE_NAMES) {
          const got = await stage.takeOne({ queues: [queue] });
          assert.equal(got.job.id, `of ${queue}`, `the job of queue ${queue}`);
          await stage.done(got);
        }
        await stage.nothing({ queues: HOSTILE_NAMES });
        await stage.nothing({ queues: [QUEUE] });
      },
    },
    {
      name: "hostile ids and job names stay apart",
      run: async (stage) => {
        const items = HOSTILE_NAMES.map((text) => stage.item({ id: text, name: text }));
        await stage.push(items);
        const got = await stage.take(items.length);
        assert.deepEqual([...idsOf(got)].toSorted(), HOSTILE_NAMES.toSorted());
        for (const { job } of got) assert.equal(job.name, job.id, "name and id belong together");
        const results = await stage.finish(got.map((reservation) => ({ reservation, outcome: "done" })));
        assert.deepEqual(new Set(results), new Set(["ok"]));
      },
    },
    {
      name: "hostile queue names are listed as they are",
      run: async (stage) => {
        for (const queue of HOSTILE_NAMES) await stage.push(stage.item({ queue }));
        const listed = await stage.driver.queues();
        assert.deepEqual([...listed].toSorted(), HOSTILE_NAMES.toSorted());
      },
    },
  ],
};

import { inspect } from "node:util";
import { expect, test } from "vitest";
import type { JobOptions } from "../../../src/core/index.ts";
import { createJob } from "../../../src/core/index.ts";
import { isJobferryError } from "../../../src/errors/index.ts";

const tooMany = Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`k${i}`, "v"]));

/** Each option with what it must not be, and what the message must say. */
const BAD: Readonly<Record<keyof JobOptions, readonly (readonly [value: unknown, says: string])[]>> = {
  id: [
    ["", "id is"],
    ["x".repeat(201), "1 to 200 characters"],
    ["a\ud800", "well-formed"],
    [7, "id is 7"],
  ],
  name: [
    ["", "name is"],
    [" a", "name is"],
    [5, "name is 5"],
  ],
  queue: [
    ["", "queue is"],
    ["q\n", "queue is"],
    ["x".repeat(201), "1 to 200 characters"],
  ],
  delay: [
    [-1, "delay is -1"],
    ["soon", "delay is"],
    [Number.NaN, "delay is NaN"],
    [new Date(Number.NaN), "valid Date after 1970"],
    [new Date(-1), "valid Date after 1970"],
  ],
  retryUntil: [
    [-1, "retryUntil is -1"],
    ["later", "retryUntil is"],
    [new Date(Number.NaN), "valid Date"],
  ],
  priority: [
    [1.5, "priority is 1.5"],
    [1_000_000_001, "-1000000000 to 1000000000"],
    ["high", "priority is"],
    [Number.NaN, "priority is NaN"],
  ],
  tags: [
    [[], "tags is an array of 0; it must be an object of strings"],
    ["a", "tags is"],
    [{ a: 1 }, 'tags["a"] is 1'],
    [{ a: undefined }, 'tags["a"] is undefined'],
    [{ a: "\ud800" }, "well-formed"],
    [{ a: "x".repeat(10_001) }, "at most 10000 characters"],
    [{ ["k".repeat(10_001)]: "x" }, "a key of tags"],
    [tooMany, "at most 100 entries"],
  ],
  headers: [
    [null, "headers is null"],
    [{ trace: 3 }, 'headers["trace"] is 3'],
  ],
  maxAttempts: [
    [0, "maxAttempts is 0; it must be an integer from 1 to 1000000"],
    [1.5, "maxAttempts is 1.5"],
    [Infinity, "maxAttempts is Infinity"],
    ["3", "maxAttempts is"],
  ],
  maxLosses: [[0, "maxLosses is 0"]],
  maxExceptions: [[-1, "maxExceptions is -1"]],
  timeout: [
    [0, "timeout is 0; it must be milliseconds from 1"],
    ["1 s", "timeout is"],
  ],
  backoff: [
    [-1, "backoff is -1"],
    [[], "at least one duration"],
    [["1s", "x"], "backoff[1] is"],
    [{}, "backoff.base is undefined"],
    [{ base: "1s", max: -1 }, "backoff.max is -1"],
    [{ base: "1s", jitter: 2 }, "backoff.jitter is 2; it must be a number from 0 to 1"],
    [{ base: "1s", factor: 3 }, 'no member "factor". Known: base, max, jitter.'],
    [() => 1, "backoff is a function"],
  ],
};

const bad = Object.entries(BAD).flatMap(([option, values]) =>
  values.map(([value, says], i) => ({ label: `${option} ${i}: ${says}`, option, value, says })),
);

test.each(bad)("refuses $label", ({ option, value, says }) => {
  const make = (): unknown => createJob("x", { [option]: value } as JobOptions);
  expect(make).toThrow(says);
  try {
    make();
  } catch (error) {
    expect(isJobferryError(error, "INVALID_ARGUMENT")).toBe(true);
  }
});

test("refuses unknown options and names the nearest", () => {
  expect(() => createJob(1, { maxAttemps: 3 } as JobOptions)).toThrow('Did you mean "maxAttempts"?');
  expect(() => createJob(1, "urgent" as JobOptions)).toThrow('createJob options is "urgent"');
  expect(() => createJob(1, null as unknown as JobOptions)).toThrow("createJob options is null");
});

test("a plain job has the defaults", () => {
  const job = createJob({ a: 1 });
  expect(job).toMatchObject({ name: "default", queue: "default", priority: 0, delay: 0, attempts: 0, losses: 0 });
  expect(job).toMatchObject({ maxAttempts: undefined, timeout: undefined, tags: {}, headers: {}, exceptions: 0 });
  expect(job.id).toMatch(/^[0-9a-z]{19,}$/);
  expect(createJob(1).id).not.toBe(createJob(1).id);
  expect(job.availableAt).toBe(job.createdAt);
  expect(job.reservedAt).toBeUndefined();
  expect(new TextDecoder().decode(job.bytes)).toBe('{"a":1}');
});

test("setters check like the options do, and addTag copies", () => {
  const tags = { a: "1" };
  const job = createJob(1, { tags });
  expect(() => (job.queue = "")).toThrow("queue is");
  expect(() => (job.priority = 0.5)).toThrow("priority is 0.5");
  expect(() => (job.maxAttempts = 0)).toThrow("maxAttempts is 0");
  expect(() => (job.timeout = 0)).toThrow("timeout is 0");
  expect(() => (job.delay = -1)).toThrow("delay is -1");
  expect(() => job.addTag("b", 2 as unknown as string)).toThrow('tags["b"] is 2');
  expect(job.addTag("b", "2").addTag("__proto__", "3")).toBe(job);
  expect(Object.entries(job.tags)).toEqual([
    ["a", "1"],
    ["b", "2"],
    ["__proto__", "3"],
  ]);
  expect(tags).toEqual({ a: "1" });
  expect(Object.isFrozen(job.tags)).toBe(true);
  job.delay = "2s";
  job.timeout = "3s";
  job.queue = "reports";
  job.priority = -7;
  job.maxAttempts = 9;
  expect(job).toMatchObject({ delay: 2_000, timeout: 3_000, queue: "reports", priority: -7, maxAttempts: 9 });
  job.timeout = undefined;
  job.maxAttempts = undefined;
  expect(job).toMatchObject({ timeout: undefined, maxAttempts: undefined });
});

test("a delay until a date counts from the job's creation", () => {
  const job = createJob(1, { delay: new Date(Date.now() + 60_000) });
  expect(job.delay).toBeGreaterThan(50_000);
  expect(job.availableAt).toBe(job.createdAt + job.delay);
  expect(createJob(1, { delay: new Date(1_000) }).delay).toBe(0);
});

test("can be printed", () => {
  const text = inspect(createJob({ deep: { er: 1 } }, { queue: "q", tags: { t: "1" } }));
  expect(text).toContain("queue: 'q'");
  expect(text).toContain("payload: { deep: { er: 1 } }");
});

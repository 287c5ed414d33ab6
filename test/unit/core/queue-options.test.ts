import { describe, expect, test } from "vitest";
import type { Durability } from "../../../src/contract/index.ts";
import { createJob, Queue, type QueueOptions } from "../../../src/core/index.ts";
import { memoryDriver } from "../../../src/drivers/memory/memory-driver.ts";
import { FakeDriver } from "./fake-driver.ts";
import { errorOf, popOne, stageOn } from "./stage.ts";

/** Each option with what it must not be, and what the message must say. */
const BAD: Readonly<Record<keyof QueueOptions, readonly (readonly [value: unknown, says: string])[]>> = {
  clock: [
    [{}, "clock is an object (Object); it must be an object with the methods now, monotonic, timer, random"],
    [() => 1, "clock is a function"],
  ],
  logger: [
    [{ warn: (): void => undefined }, "with the methods debug, info, warn, error"],
    ["stderr", 'logger is "stderr"'],
  ],
  lease: [[0, "lease is 0; it must be milliseconds from 1"]],
  defaults: [
    [{ maxAttempts: 0 }, "queue.defaults.maxAttempts is 0"],
    [{ attempts: 3 }, 'queue.defaults has no option "attempts"'],
    ["3", 'queue.defaults options is "3"'],
  ],
  maxPending: [
    [0, "maxPending is 0"],
    [1.5, "maxPending is 1.5"],
  ],
  pushTimeout: [["0ms", "pushTimeout is"]],
  keepCompleted: [
    ["all", 'keepCompleted is "all"; it must be true, false, or { count, age }'],
    [{ cuont: 3 }, 'Did you mean "count"?'],
    [{ count: -1 }, "keepCompleted.count is -1"],
    [{ age: "x" }, "keepCompleted.age is"],
  ],
  keepFailed: [["none", 'keepFailed is "none"']],
  durability: [["disk", 'durability is "disk"; it must be one of unknown, process, serverCrash, power, quorum']],
  versionGrace: [[-1, "versionGrace is -1"]],
};

test.each(Object.entries(BAD).flatMap(([option, values]) => values.map(([value, says]) => ({ option, value, says }))))(
  "refuses $option: $says",
  ({ option, value, says }) => {
    expect(() => new Queue(memoryDriver(), { [option]: value })).toThrow(says);
  },
);

test("refuses unknown options with the nearest known", () => {
  expect(() => new Queue(memoryDriver(), { visibility: 1 } as object)).toThrow('queue has no option "visibility"');
  expect(() => new Queue(memoryDriver(), { pushTimout: 1 } as object)).toThrow('Did you mean "pushTimeout"?');
});

describe("durability", () => {
  const levels: readonly Durability[] = ["unknown", "process", "serverCrash", "power", "quorum"];

  test.each(levels.flatMap((found, f) => levels.map((wanted, w) => ({ found, wanted, opens: f >= w }))))(
    "$wanted asked of $found: opens $opens",
    async ({ found, wanted, opens }) => {
      const { driver, queue } = stageOn(new FakeDriver({ durability: found }), { durability: wanted });
      if (opens) {
        await queue.open();
        return;
      }
      const error = await errorOf(queue.push(createJob(1)));
      expect(error).toMatchObject({ code: "UNSUPPORTED", capability: "durability" });
      expect(error.message).toContain(
        `durability "${wanted}" was asked for, but fake as it is set up survives "${found}"`,
      );
      expect(driver.pushed).toEqual([]);
      await queue.close();
      expect(driver.closed).toBe(1);
    },
  );

  test("a shared store below serverCrash gives one warning, unless the level was asked for", async () => {
    const weak = stageOn(new FakeDriver({ durability: "process", shared: true }));
    await weak.queue.open();
    await weak.queue.push(createJob(1));
    expect(weak.lines.map(({ level }) => level)).toEqual(["warn"]);
    expect(weak.lines[0]?.message).toContain("may lose pushed jobs");
    const asked = stageOn(new FakeDriver({ durability: "process", shared: true }), { durability: "process" });
    await asked.queue.open();
    const strong = stageOn(new FakeDriver({ durability: "serverCrash", shared: true }));
    await strong.queue.open();
    expect([...asked.lines, ...strong.lines]).toEqual([]);
  });
});

describe("what a store cannot keep, or never drops, is refused", () => {
  const records = { records: false } as const;
  const resting = { records: "resting" } as const;

  test.each([
    ["keepCompleted", records, { keepCompleted: true }, "Leave it out, or take another backend"],
    ["keepCompleted", resting, { keepCompleted: { count: 5 } }, "Leave it out, or take another backend"],
    ["keepFailed", records, { keepFailed: false }, "Leave it out"],
    ["keepFailed", records, { keepFailed: { age: "7d" } }, "Leave it out"],
    ["keepFailed", resting, { keepFailed: { count: 5 } }, "Give keepFailed to the queue of records"],
  ] as const)("%s with %o: %o", async (option, capabilities, options, hint) => {
    const { driver, queue } = stageOn(new FakeDriver(capabilities), options);
    const error = await errorOf(queue.push(createJob(1)));
    expect(error).toMatchObject({ code: "UNSUPPORTED", capability: option });
    expect(error.message).toContain(`${option} was asked for, but fake`);
    expect(error.message).toContain(hint);
    expect(driver.pushed).toEqual([]);
    await queue.close();
  });

  test.each([
    [records, {}],
    [records, { keepCompleted: false, keepFailed: true }],
    [resting, { keepCompleted: { count: 0 } }],
    [{ records: true }, { keepCompleted: true, keepFailed: false }],
  ] as const)("%o opens with %o", async (capabilities, options) => {
    const { queue } = stageOn(new FakeDriver(capabilities), options);
    await queue.open();
    await queue.close();
  });
});

describe("maxLosses", () => {
  test.each([
    ["the job's own", { maxLosses: 2 }, { defaults: { maxLosses: 5 } }, 2],
    ["the queue's", {}, { defaults: { maxLosses: 5 } }, 5],
    ["the built-in", {}, {}, 3],
  ])("%s", async (_, job, options, maxLosses) => {
    const { driver, queue } = stageOn(new FakeDriver(), options);
    await queue.push(createJob(1, job));
    expect(driver.pushed[0]?.[0]?.maxLosses).toBe(maxLosses);
  });
});

describe("what finished stays as long as it was asked for", () => {
  test.each<readonly [string, QueueOptions, number]>([
    ["keepCompleted default", {}, 0],
    ["keepCompleted true", { keepCompleted: true }, 5],
    ["keepCompleted count", { keepCompleted: { count: 2 } }, 2],
    ["keepCompleted age", { keepCompleted: { age: "3s" } }, 3],
    ["keepCompleted both", { keepCompleted: { age: "3s", count: 1 } }, 1],
  ])("%s", async (_, options, kept) => {
    const { driver, queue, clock } = stageOn(new FakeDriver(), options);
    await queue.pushBatch([1, 2, 3, 4, 5].map((n) => createJob(n)));
    for (let i = 0; i < 5; i += 1) {
      await (await popOne(queue)).complete(i);
      await clock.advance("1s");
    }
    await driver.maintain({ max: 100 });
    expect((await queue.records.list({ state: "completed" })).jobs).toHaveLength(kept);
    expect((await queue.getStats()).completedJobs).toBe(5);
  });

  test.each<readonly [string, QueueOptions, number]>([
    ["keepFailed default", {}, 5],
    ["keepFailed false", { keepFailed: false }, 0],
    ["keepFailed count", { keepFailed: { count: 2 } }, 2],
  ])("%s", async (_, options, kept) => {
    const { queue } = stageOn(new FakeDriver(), options);
    await queue.pushBatch([1, 2, 3, 4, 5].map((n) => createJob(n)));
    for (const job of await queue.popBatch(5)) await job.fail(new Error("x"));
    expect((await queue.getStats()).failedJobs).toBe(kept);
  });
});

test("statistics: a number that the backend does not know is undefined and labelled, and the sum too", async () => {
  const { driver, queue } = stageOn(new FakeDriver());
  await queue.push(createJob(1));
  expect(await queue.getStats()).toMatchObject({ totalJobs: 1, exact: true, paused: false });
  const stats = driver.stats.bind(driver);
  driver.stats = async (name) => ({ ...(await stats(name)), delayed: undefined });
  expect(await queue.getStats()).toMatchObject({
    ...{ pendingJobs: 1, delayedJobs: undefined, reservedJobs: 0, failedJobs: 0, completedJobs: 0 },
    ...{ totalJobs: undefined, exact: false },
  });
  expect(await queue.size()).toBeUndefined();
  driver.clear = async () => ({ removed: undefined });
  expect(await queue.clear()).toBeUndefined();
});

test("pause, resume and clear: of one queue, of all, and where the backend cannot", async () => {
  const { queue } = stageOn(new FakeDriver());
  await queue.push(createJob(1, { queue: "a" }));
  await queue.pushBatch([createJob(2, { queue: "b" }), createJob(3, { queue: "b", delay: "1h" })]);
  await queue.pause("a");
  expect(await queue.pop({ queue: "a" })).toBeUndefined();
  expect(await queue.getStats("a")).toMatchObject({ paused: true });
  expect(await queue.getStats()).toMatchObject({ paused: false });
  await queue.pause();
  expect(await queue.pop({ queue: "b" })).toBeUndefined();
  await queue.resume();
  expect((await popOne(queue, { queue: "a" })).payload).toBe(1);
  expect(await queue.clear("b")).toBe(2);
  expect(await queue.clear()).toBe(0);
  expect(await queue.queues()).toEqual(["a", "b"]);

  const { queue: broker } = stageOn(new FakeDriver({ pause: { support: "unsupported" } }));
  expect(await errorOf(broker.pause("a"))).toMatchObject({ capability: "pause" });
});

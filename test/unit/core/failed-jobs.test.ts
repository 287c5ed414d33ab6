import { expect, test } from "vitest";
import type { RecordStore } from "../../../src/contract/index.ts";
import { engineOf } from "../../../src/core/index.ts";
import { createJob, memoryQueue } from "../../../src/entry/index.ts";

async function withFailed(count: number): Promise<ReturnType<typeof memoryQueue>> {
  const queue = memoryQueue();
  for (let i = 0; i < count; i += 1) {
    await queue.push(createJob(i, { queue: i % 2 === 0 ? "even" : "odd" }));
    await (await queue.pop({ queue: i % 2 === 0 ? "even" : "odd" }))?.fail(new Error("no"));
  }
  return queue;
}

test("retryFailed brings back the oldest, of one queue or of all, with a fresh count", async () => {
  const queue = await withFailed(6);
  expect(await queue.retryFailed({ queue: "odd", max: 2 })).toBe(2);
  const job = await queue.pop({ queue: "odd" });
  expect([job?.payload, job?.attempts]).toEqual([1, 1]);
  expect((await queue.getStats()).failedJobs).toBe(4);
  expect(await queue.retryFailed()).toBe(4);
  expect(await queue.retryFailed()).toBe(0);
  await queue.close();
});

test("more failed jobs than a page holds", async () => {
  const queue = await withFailed(1_101);
  expect(await queue.retryFailed({ max: 1_001 })).toBe(1_001);
  expect(await queue.flushFailed()).toBe(100);
  expect((await queue.getStats()).pendingJobs).toBe(1_001);
  await queue.close();
});

test("jobs that cannot be brought back now end the call, however many pages there are", async () => {
  const queue = await withFailed(1_101);
  const { driver } = engineOf(queue);
  const { records } = driver;
  if (records === undefined) throw new Error("the memory driver has records");
  let pages = 0;
  const list: RecordStore["list"] = async (...asked) => {
    pages += 1;
    if (pages > 10) throw new Error("asked without end");
    return records.list(...asked);
  };
  Object.defineProperty(driver, "records", { value: { list, retry: async () => 0 } });
  expect(await queue.retryFailed()).toBe(0);
  await queue.close();
});

test("flushFailed removes failed jobs of one queue or of all", async () => {
  const queue = await withFailed(5);
  expect(await queue.flushFailed("even")).toBe(3);
  expect(await queue.flushFailed()).toBe(2);
  expect((await queue.getStats()).failedJobs).toBe(0);
  await queue.close();
});

test("what is asked for is checked", async () => {
  const queue = memoryQueue();
  await expect(queue.retryFailed({ max: 0 })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  await expect(queue.retryFailed({ queues: "a" } as never)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  await expect(queue.flushFailed(" a")).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  await queue.close();
});

test("an explicit undefined never means all: it may be a variable that nobody has set", async () => {
  const queue = await withFailed(2);
  await queue.push(createJob(1));
  const unset = undefined as never;
  for (const [act, told] of [
    [() => queue.clear(unset), "The queue of clear() is undefined. Leave it out to mean all queues."],
    [() => queue.flushFailed(unset), "The queue of flushFailed() is undefined."],
    [() => queue.retryFailed({ queue: unset }), "retryFailed.queue is undefined. Leave it out to mean all."],
    [() => queue.records.remove({ queue: unset }), "filter.queue is undefined"],
    [() => queue.records.remove({ state: "failed", before: unset }), "filter.before is undefined"],
    [() => queue.records.retry({ tag: unset }), "filter.tag is undefined"],
    [() => queue.records.promote({ name: unset }), "filter.name is undefined"],
  ] as const) {
    await expect(act()).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringContaining(told) as string,
    });
  }
  expect(await queue.getStats()).toMatchObject({ failedJobs: 2, pendingJobs: 1 });
  expect((await queue.records.list({ queue: unset })).jobs.length, "looking does no harm").toBe(3);
  expect([await queue.clear(), await queue.flushFailed()]).toEqual([1, 2]);
  await queue.close();
});

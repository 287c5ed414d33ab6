import { expect, test } from "vitest";
import { createJob, Queue } from "../../../src/core/index.ts";
import { memoryDriver } from "../../../src/drivers/memory/memory-driver.ts";
import { virtualClock } from "../../../src/testing/virtual-clock.ts";
import { type Opened, itemOf, opened, takeOne } from "./items.ts";
import type { PushItem } from "../../../src/contract/index.ts";

/** An item whose id and bytes are counted when they are read. */
function watched(reads: string[]): PushItem {
  const item = itemOf();
  const counted = (field: "id" | "envelope" | "payload"): PropertyDescriptor => ({
    get: () => {
      reads.push(field);
      return item[field];
    },
  });
  return Object.defineProperties(
    { ...item, weight: 0 },
    { id: counted("id"), envelope: counted("envelope"), payload: counted("payload") },
  );
}

test("an id is not built and nothing is encoded on the way through: push, reserve, lose, release, finish", async () => {
  const { driver, clock }: Opened = await opened();
  const reads: string[] = [];
  await driver.push([watched(reads), watched(reads)]);
  const first = await takeOne(driver);
  await clock.advance(1_000);
  await driver.maintain({ max: 10 });
  const second = await takeOne(driver);
  await driver.finish([{ reservation: second, outcome: "release", delayMs: 5, refund: true }]);
  await clock.advance(5);
  const third = await takeOne(driver);
  await driver.extend([{ reservation: third, leaseMs: 50 }]);
  await driver.finish([{ reservation: third, outcome: "done" }]);
  await driver.stats();
  expect(reads).toEqual([]);
  expect(first.job.id).toMatch(/^[0-9a-z]+$/);
  expect(reads).toEqual(["id"]);
});

test("copy true hands out copies, copy false the very value, and both the same fields", async () => {
  const clock = virtualClock();
  const payload = { list: [1] };
  for (const copy of [true, false]) {
    await using queue = new Queue(memoryDriver({ copy }), { clock });
    await queue.push(createJob(payload, { id: "x", tags: { a: "b" }, priority: 2, timeout: "1s" }));
    const job = await queue.pop();
    expect(job?.payload === payload).toBe(!copy);
    expect(job).toMatchObject({ id: "x", payload, tags: { a: "b" }, priority: 2, timeout: 1_000, attempts: 1 });
    expect(new TextDecoder().decode(job?.bytes)).toBe('{"list":[1]}');
  }
});

test("a push that is refused by the driver itself leaves its neighbours alone", async () => {
  const { driver } = await opened();
  const results = await driver.push([
    itemOf(),
    itemOf({ payload: new Uint8Array(64 * 1024 * 1024 + 1) }),
    itemOf({ priority: 2e9 }),
    itemOf(),
  ]);
  expect(results.map(({ status }) => status)).toEqual(["stored", "refused", "refused", "stored"]);
});

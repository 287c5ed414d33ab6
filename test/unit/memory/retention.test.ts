import { expect, test } from "vitest";
import type { Driver } from "../../../src/contract/index.ts";
import { FAILURE, itemOf, items, opened, take, takeOne } from "./items.ts";
import { startThreadTime } from "./thread-time.ts";

const kept = async (driver: Driver, state: "completed" | "failed"): Promise<readonly string[]> =>
  ((await driver.records?.list({ state }, { limit: 10_000 }))?.jobs ?? []).map(({ id }) => id);

test("by count: the newest stay, in time that does not grow with them", async () => {
  const { driver } = await opened({ completed: { count: 20_000, ageMs: Infinity } });
  const all = items(60_000);
  const took = startThreadTime();
  for (let i = 0; i < all.length; i += 1_000) {
    await driver.push(all.slice(i, i + 1_000));
    const taken = await take(driver, 1_000);
    await driver.finish(taken.map((reservation) => ({ reservation, outcome: "done" })));
  }
  expect(await driver.stats()).toMatchObject({ completed: 60_000, pending: 0 });
  expect(await driver.records?.get(all[39_999]?.id ?? "")).toBeUndefined();
  expect(await driver.records?.get(all[40_000]?.id ?? "")).toMatchObject({ state: "completed" });
  expect(took()).toBeLessThan(3_000);
});

test("by age: maintain forgets them, at most so many at once, and so does each that comes to rest", async () => {
  const { driver, clock } = await opened({ failed: { count: Infinity, ageMs: 1_000 } });
  await driver.push(items(10));
  const taken = await take(driver, 10);
  await driver.finish(taken.map((reservation) => ({ reservation, outcome: "fail", failure: FAILURE })));
  await clock.advance(1_000);
  await driver.maintain({ max: 100 });
  expect((await driver.stats()).failed, "not older than the age yet").toBe(10);
  await clock.advance(1);
  await driver.maintain({ max: 4 });
  expect((await driver.stats()).failed).toBe(6);
  await driver.push([itemOf({ id: "last" })]);
  await driver.finish([{ reservation: await takeOne(driver), outcome: "fail", failure: FAILURE }]);
  expect((await driver.stats()).failed).toBe(5);
  await driver.maintain({ max: 100 });
  expect(await kept(driver, "failed")).toEqual(["last"]);
});

test("none: the failed job is gone and its id free, but died still tells", async () => {
  const { driver, clock } = await opened({ failed: { count: 0, ageMs: Infinity } });
  await driver.push([itemOf({ id: "a", maxLosses: 1 })]);
  await takeOne(driver);
  await clock.advance(1_000);
  const { died } = await driver.maintain({ max: 10 });
  expect(died).toMatchObject([
    { id: "a", state: "failed", losses: 1, failure: { code: "LEASE_EXPIRED" }, finishedAt: clock.now() },
  ]);
  expect(await driver.stats()).toMatchObject({ failed: 0, pending: 0, reserved: 0 });
  expect(await driver.push([itemOf({ id: "a" })])).toEqual([{ status: "stored" }]);
});

test("clear takes what waits, of one queue or of all; the rest and the counters stay", async () => {
  const { driver } = await opened({ completed: { count: 5, ageMs: Infinity } });
  for (const queue of ["q", "other"]) {
    await driver.push(items(6, (i) => ({ queue, ...(i === 5 ? { delayMs: 50 } : {}) })));
    const [done, failed] = await take(driver, 3, { queues: [queue] });
    if (done === undefined || failed === undefined) throw new Error("not enough");
    await driver.finish([
      { reservation: done, outcome: "done" },
      { reservation: failed, outcome: "fail", failure: FAILURE },
    ]);
  }
  expect(await driver.clear("nobody")).toEqual({ removed: 0 });
  expect(await driver.clear("q")).toEqual({ removed: 3 });
  expect(await driver.stats("q")).toMatchObject({ pending: 0, delayed: 0, reserved: 1, failed: 1, completed: 1 });
  expect(await driver.stats("other")).toMatchObject({ pending: 2, delayed: 1 });
  expect(await driver.clear()).toEqual({ removed: 3 });
  expect(await driver.stats()).toMatchObject({ pending: 0, delayed: 0, reserved: 2, failed: 2, completed: 2 });
});

test("clear of many queues with many delayed jobs is one walk", async () => {
  const { driver } = await opened();
  await driver.push(items(50_000, (i) => ({ queue: `tenant-${i % 5_000}`, delayMs: 1_000 })));
  const took = startThreadTime();
  expect(await driver.clear()).toEqual({ removed: 50_000 });
  expect(took()).toBeLessThan(1_000);
});

test("statistics are exact in every state, and the oldest of all priorities counts", async () => {
  const { driver, clock } = await opened();
  const first = clock.now();
  await driver.push([itemOf({ priority: -5 })]);
  await clock.advance(10);
  await driver.push(items(3, (i) => ({ priority: i })));
  await driver.push([itemOf({ delayMs: 100 })]);
  expect(await driver.stats("q")).toEqual({
    pending: 4,
    delayed: 1,
    reserved: 0,
    failed: 0,
    completed: 0,
    oldestPendingAt: first,
    paused: false,
  });
  await take(driver, 3, { leaseMs: 10_000 });
  await clock.advance(100);
  expect(await driver.stats("q")).toMatchObject({ pending: 2, delayed: 0, reserved: 3, oldestPendingAt: first });
  expect((await takeOne(driver)).job.priority).toBe(0);
  expect((await driver.stats("q")).oldestPendingAt).toBe(first);
  expect(await driver.stats("nobody")).toEqual({
    pending: 0,
    delayed: 0,
    reserved: 0,
    failed: 0,
    completed: 0,
    oldestPendingAt: undefined,
    paused: false,
  });
});

import { describe, expect, test } from "vitest";
import { itemOf, items, opened, take, takeOne } from "./items.ts";

const HOUR = 3_600_000;

describe.each([
  ["an hour forward", HOUR],
  ["an hour back", -HOUR],
])("a step of the wall clock %s", (_, step) => {
  test("ends no lease and moves no delay", async () => {
    const { driver, clock } = await opened();
    await driver.push([itemOf({ delayMs: 10_000 }), itemOf({ id: "held" })]);
    const held = await takeOne(driver, { leaseMs: 20_000 });
    clock.setWallClock(clock.now() + step);
    await clock.advance(9_999);
    expect(await driver.stats()).toMatchObject({ delayed: 1, reserved: 1, pending: 0 });
    await clock.advance(1);
    expect(await driver.stats()).toMatchObject({ delayed: 0, reserved: 1, pending: 1 });
    await clock.advance(9_999);
    expect(await driver.finish([{ reservation: held, outcome: "done" }])).toEqual(["ok"]);
  });

  test("does not change the order, nor a wait", async () => {
    const { driver, clock } = await opened();
    await driver.push(items(2, () => ({ delayMs: 50 })));
    const waiting = take(driver, 1, { waitMs: 100 });
    clock.setWallClock(clock.now() + step);
    await clock.advance(50);
    expect(await waiting).toHaveLength(1);
  });
});

describe("an absolute time", () => {
  test("is never early, whatever the clock does, and wins over a delay", async () => {
    const { driver, clock } = await opened();
    const runAt = clock.now() + 10_000;
    await driver.push([itemOf({ runAt, delayMs: 5 })]);
    await clock.advance(9_000);
    clock.setWallClock(clock.now() - HOUR);
    const waiting = take(driver, 1, { waitMs: 2 * HOUR });
    let served = false;
    void waiting.then(() => (served = true));
    await clock.advance(HOUR);
    expect(served, "by the wall clock a second is left").toBe(false);
    await clock.advance(1_000);
    expect(served).toBe(true);
    expect(clock.now()).toBe(runAt);
  });

  test("is found within half a minute after a step forward, although nobody told", async () => {
    const { driver, clock } = await opened();
    await driver.push([itemOf({ runAt: clock.now() + HOUR })]);
    const waiting = take(driver, 1, { waitMs: 2 * HOUR });
    await clock.advance(1_000);
    clock.setWallClock(clock.now() + HOUR);
    await clock.advance(30_000);
    expect(await waiting).toHaveLength(1);
  });

  test("and at once when somebody looks", async () => {
    const { driver, clock } = await opened();
    await driver.push([itemOf({ runAt: clock.now() + HOUR })]);
    const waiting = take(driver, 1, { waitMs: 2 * HOUR });
    clock.setWallClock(clock.now() + HOUR);
    expect((await driver.stats()).pending).toBe(1);
    expect(await waiting).toHaveLength(1);
  });

  test("in the past is now; a delayed job tells when it will be", async () => {
    const { driver, clock } = await opened();
    await driver.push([itemOf({ runAt: clock.now() - 5 }), itemOf({ id: "later", runAt: clock.now() + 500 })]);
    expect(await driver.stats()).toMatchObject({ pending: 1, delayed: 1 });
    expect(await driver.records?.get("later")).toMatchObject({ state: "delayed", availableAt: clock.now() + 500 });
    expect((await driver.maintain({ max: 10 })).nextDueInMs).toBe(500);
  });

  test("can be released, removed, promoted and cleared like any other", async () => {
    const { driver, clock } = await opened();
    const runAt = clock.now() + 1_000;
    await driver.push(["a", "b", "c", "d"].map((id) => itemOf({ id, runAt })));
    expect(await driver.records?.remove(["a"])).toBe(1);
    expect(await driver.records?.promote(["b"])).toBe(1);
    const held = await takeOne(driver);
    await driver.finish([{ reservation: held, outcome: "release", delayMs: 300 }]);
    expect(await driver.stats()).toMatchObject({ delayed: 3, pending: 0 });
    await clock.advance(300);
    expect(await driver.stats()).toMatchObject({ delayed: 2, pending: 1 });
    expect(await driver.clear()).toEqual({ removed: 3 });
    expect(await driver.stats()).toMatchObject({ delayed: 0, pending: 0 });
  });
});

test("fractions of milliseconds are rounded so that nothing is early", async () => {
  const { driver, clock } = await opened();
  await clock.advance(0.7);
  await driver.push([itemOf({ delayMs: 10.2 })]);
  await clock.advance(10.2);
  expect((await driver.stats()).pending).toBe(0);
  await clock.advance(2);
  expect((await driver.stats()).pending).toBe(1);
  const held = await takeOne(driver, { leaseMs: 5.5 });
  await clock.advance(5.5);
  expect((await driver.stats()).reserved).toBe(1);
  await clock.advance(2);
  expect(await driver.finish([{ reservation: held, outcome: "done" }])).toEqual(["ok"]);
});

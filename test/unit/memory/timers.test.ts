import { expect, test } from "vitest";
import { countingClock, itemOf, items, opened, take, takeOne } from "./items.ts";

test("nobody waits: 100,000 delayed and 10,000 reserved jobs need no timer at all", async () => {
  const clock = countingClock();
  const { driver } = await opened({}, clock);
  await driver.push(items(100_000, (i) => ({ delayMs: 1_000 + (i % 50_000), queue: "late" })));
  await driver.push(items(10_000));
  await take(driver, 10_000, { leaseMs: 3_600_000 });
  expect(clock.made()).toBe(0);
  await clock.advance("10s");
  expect(await driver.stats()).toMatchObject({ reserved: 10_000, pending: 18_002, delayed: 81_998 });
});

test("many wait: at most one timer, and it is set again only for something earlier", async () => {
  const clock = countingClock();
  const { driver } = await opened({}, clock);
  await driver.push(items(100_000, (i) => ({ delayMs: 60_000 + i })));
  const waiting = Array.from({ length: 50 }, () => take(driver, 1, { waitMs: 120_000, leaseMs: 3_600_000 }));
  expect([clock.most(), clock.made()]).toEqual([1, 1]);
  await driver.push(items(1_000, () => ({ delayMs: 90_000 })));
  await clock.advance(0);
  expect([clock.most(), clock.made()]).toEqual([1, 1]);
  await driver.push([itemOf({ delayMs: 10 })]);
  await clock.advance(9);
  expect((await driver.stats()).reserved).toBe(0);
  await clock.advance(1);
  expect((await driver.stats()).reserved).toBe(1);
  expect(clock.most()).toBe(1);
  await clock.advance("61s");
  expect((await Promise.all(waiting)).flat()).toHaveLength(50);
  expect(clock.armed).toBe(0);
});

test("the last waiter's end ends the timer, whatever the end", async () => {
  const { driver, clock } = await opened();
  const stop = new AbortController();
  const aborted = take(driver, 1, { waitMs: 3_600_000, signal: stop.signal });
  expect(clock.armed).toBe(1);
  stop.abort();
  expect(await aborted).toEqual([]);
  expect(clock.armed).toBe(0);

  const served = take(driver, 1, { waitMs: 3_600_000 });
  await driver.push([itemOf()]);
  expect(await served).toHaveLength(1);
  expect(clock.armed).toBe(0);

  const timedOut = take(driver, 1, { waitMs: 10 });
  await clock.advance(10);
  expect(await timedOut).toEqual([]);
  expect(clock.armed).toBe(0);

  const closed = take(driver, 1, { waitMs: 3_600_000 });
  await driver.close();
  await driver.close();
  expect(await closed).toEqual([]);
  expect(clock.armed).toBe(0);
});

test("a waiter is served when a lease runs out, also one that began or was cut short after it came", async () => {
  const { driver, clock } = await opened();
  await driver.push(items(2));
  const [long, short] = [await takeOne(driver, { leaseMs: 60_000 }), await takeOne(driver, { leaseMs: 60_000 })];
  const waiting = take(driver, 1, { waitMs: 50_000 });
  await driver.extend([{ reservation: short, leaseMs: 100 }]);
  await clock.advance(100);
  const [recovered] = await waiting;
  expect(recovered?.job).toMatchObject({ id: short.job.id, attempts: 2, losses: 1 });
  expect(long.job.id).not.toBe(short.job.id);

  const blocked = take(driver, 1, { waitMs: 50_000, queues: ["q", "other"] });
  await driver.push([itemOf({ queue: "other", maxLosses: 9 })]);
  const [direct] = await take(driver, 1, { queues: ["other"], leaseMs: 200 });
  await clock.advance(200);
  expect((await blocked)[0]?.job.id ?? direct?.job.id).toBeDefined();
  expect(await blocked).toHaveLength(1);
});

test("several waiters are served in the order in which they came, none twice", async () => {
  const { driver } = await opened();
  const waiting = [1, 2, 3].map((max) => take(driver, max, { waitMs: 1_000 }));
  await driver.push(items(4));
  expect((await Promise.all(waiting.slice(0, 3))).map(({ length }) => length)).toEqual([1, 2, 1]);
});

test("whoever waits for several queues takes them in its order", async () => {
  const { driver } = await opened();
  const waiting = take(driver, 3, { queues: ["b", "a"], waitMs: 1_000 });
  await driver.push(items(2, () => ({ queue: "a" })));
  await driver.push(items(2, () => ({ queue: "b" })));
  const first = await waiting;
  const rest = await take(driver, 9, { queues: ["b", "a"] });
  expect([...first, ...rest].map(({ job }) => job.queue).toSorted()).toEqual(["a", "a", "b", "b"]);
});

test("a paused queue serves nobody, and its waiters get theirs when it goes on", async () => {
  const { driver, clock } = await opened();
  await driver.pause("q");
  await driver.push(items(2));
  const waiting = take(driver, 5, { waitMs: 60_000 });
  await clock.advance("30s");
  expect(await driver.stats("q")).toMatchObject({ paused: true, pending: 2, reserved: 0 });
  await driver.resume("q");
  expect(await waiting).toHaveLength(2);
  expect(await driver.stats("q")).toMatchObject({ paused: false, reserved: 2 });
});

import { expect, test } from "vitest";
import type { Driver } from "../../../src/contract/index.ts";
import { itemOf, items, opened, take, takeOne } from "./items.ts";
import { startThreadTime } from "./thread-time.ts";

const idsOf = async (driver: Driver, max = 1_000): Promise<readonly string[]> =>
  (await take(driver, max)).map(({ job }) => job.id);

test("jobs that become due in the same millisecond keep the order in which they were pushed", async () => {
  const { driver, clock } = await opened();
  const late = items(500, () => ({ delayMs: 50 }));
  await driver.push(late);
  await clock.advance(50);
  expect(await idsOf(driver)).toEqual(late.map(({ id }) => id));
});

test("what was due earlier comes first, delays and absolute times alike", async () => {
  const { driver, clock } = await opened();
  const at = clock.now();
  await driver.push([
    itemOf({ id: "5, by the wall", runAt: at + 5 }),
    itemOf({ id: "3", delayMs: 3 }),
    itemOf({ id: "4, by the wall", runAt: at + 4 }),
    itemOf({ id: "1", delayMs: 1 }),
    itemOf({ id: "2, by the wall", runAt: at + 2 }),
  ]);
  await clock.advance(10);
  expect(await idsOf(driver)).toEqual(["1", "2, by the wall", "3", "4, by the wall", "5, by the wall"]);
});

test("free: jobs that lost a lease are only given for slots that start at once", async () => {
  const { driver, clock } = await opened();
  await driver.push(items(2, (i) => ({ id: `lost-${i}`, priority: 1 })));
  await take(driver, 2);
  await clock.advance(1_000);
  await driver.push(items(3, (i) => ({ id: `new-${i}` })));
  expect(await idsOf(driver, 5).then((ids) => ids.length), "sanity: by default all").toBe(5);
  await clock.advance(1_000);
  expect((await driver.stats()).pending).toBe(5);

  const none = await driver.reserve({ queues: ["q"], max: 5, free: 0, leaseMs: 1_000, waitMs: 0 });
  expect(none.reservations, "the claim stops before the first one too many").toEqual([]);
  const one = await driver.reserve({ queues: ["q"], max: 5, free: 1, leaseMs: 1_000, waitMs: 0 });
  expect(one.reservations.map(({ job }) => job.id)).toEqual(["lost-0"]);
});

test("100,000 priorities: pushed and drained in order, quickly", async () => {
  const { driver } = await opened();
  const count = 100_000;
  const took = startThreadTime();
  await driver.push(items(count, (i) => ({ priority: (i * 7_919) % count })));
  let last = Infinity;
  let seen = 0;
  let outOfOrder = 0;
  for (;;) {
    const taken = await take(driver, 1_000, { leaseMs: 3_600_000 });
    if (taken.length === 0) break;
    for (const { job } of taken) {
      if (job.priority >= last) outOfOrder += 1;
      last = job.priority;
      seen += 1;
    }
    await driver.finish(taken.map((reservation) => ({ reservation, outcome: "done" })));
  }
  expect([seen, outOfOrder]).toEqual([count, 0]);
  // Linear scans would take minutes; a slow machine gets a wide margin.
  expect(took()).toBeLessThan(5_000);
});

test("100,000 jobs removed from the middle, then the rest in order", async () => {
  const { driver } = await opened();
  const pushed = items(100_000, (i) => ({ priority: i % 3 }));
  await driver.push(pushed);
  const kept = pushed.filter((_, i) => i % 1_000 === 0);
  const gone = pushed.filter((_, i) => i % 1_000 !== 0).map(({ id }) => id);
  expect(await driver.records?.remove(gone)).toBe(99_900);
  expect((await driver.stats()).pending).toBe(100);
  const wanted = kept.toSorted((a, b) => b.priority - a.priority).map(({ id }) => id);
  expect(await idsOf(driver)).toEqual(wanted);
});

test("an id is kept until the job is gone for good, then it is free again, under a new token", async () => {
  const { driver } = await opened();
  const item = itemOf({ id: "order-7" });
  const again = itemOf({ id: "order-7", priority: 9 });
  expect(await driver.push([item, again])).toEqual([{ status: "stored" }, { status: "exists" }]);
  const first = await takeOne(driver);
  expect(await driver.push([again])).toEqual([{ status: "exists" }]);
  await driver.finish([{ reservation: first, outcome: "done" }]);
  expect(await driver.push([again])).toEqual([{ status: "stored" }]);
  const second = await takeOne(driver);
  expect(second.job.priority).toBe(9);
  expect(second.token).not.toBe(first.token);
  expect(await driver.finish([{ reservation: first, outcome: "done" }])).toEqual(["lost"]);
  expect(await driver.extend([{ reservation: first, leaseMs: 5 }])).toEqual(["lost"]);
});

test("one reservation twice in a batch counts once", async () => {
  const { driver } = await opened();
  await driver.push([itemOf()]);
  const reservation = await takeOne(driver);
  expect(
    await driver.finish([
      { reservation, outcome: "done" },
      { reservation, outcome: "release", delayMs: 0 },
    ]),
  ).toEqual(["ok", "lost"]);
  expect(await driver.stats()).toMatchObject({ completed: 1, pending: 0, reserved: 0 });
});

test("a reserve makes no queue that others see; a push and a pause do", async () => {
  const { driver } = await opened();
  await take(driver, 1, { queues: ["typo"] });
  expect(await driver.queues()).toEqual([]);
  await driver.pause("kept back");
  await driver.push([itemOf()]);
  expect([...(await driver.queues())].toSorted()).toEqual(["kept back", "q"]);
});

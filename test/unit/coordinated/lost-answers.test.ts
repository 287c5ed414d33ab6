import { expect, test } from "vitest";
import type { Driver, Reservation } from "../../../src/contract/index.ts";
import { Deferred } from "../../../src/runtime/index.ts";
import { endsHeld, idsOf, item, noAnswer, puts, stage, take, takeOne, writesTo } from "./stage.ts";

test("a finish that never arrived is not taken for done because the question about it lost its answer, too", async () => {
  const { join, clock } = stage();
  const { driver, client } = await join();
  await driver.push([item("a")]);
  const reservation = await takeOne(driver);
  let asked = 0;
  client.onTransact = async (writes, send) => {
    if (!writesTo("/n.")(writes)) return send();
    // The finish is lost on its way. The transaction that settles it is done, and its answer lost.
    if (!endsHeld(writes)) {
      asked += 1;
      await send();
    }
    throw noAnswer();
  };
  expect(await driver.finish([{ reservation, outcome: "done" }])).toEqual(["unknown"]);
  expect(asked).toBe(1);
  client.heal();
  expect(await driver.finish([{ reservation, outcome: "done" }])).toEqual(["ok"]);
  expect(await driver.records?.get("a")).toBeUndefined();
  await clock.advance("1m");
  expect(await take(driver)).toEqual([]);
});

test("two who ask at once what became of a transaction do not mistake each other's question for it", async () => {
  const { join } = stage();
  const { driver, client } = await join();
  await driver.push([item("a"), item("b")]);
  const [a, b] = await take(driver, 2);
  if (a === undefined || b === undefined) throw new Error("there are two jobs");
  const both = [a, b].map((reservation) => ({ reservation, outcome: "done" }) as const);
  client.onTransact = async (writes, send) => {
    if (writesTo("/n.")(writes)) throw noAnswer();
    return send();
  };
  expect(await driver.finish(both)).toEqual(["unknown", "unknown"]);
  // The first question is answered late.
  let late: (() => void) | undefined;
  client.onTransact = async (_writes, send) => {
    const result = await send();
    if (late === undefined) await new Promise<void>((resolve) => (late = resolve));
    return result;
  };
  const answers = Promise.all(both.map((one) => driver.finish([one])));
  for (let turn = 0; turn < 50; turn += 1) await Promise.resolve();
  late?.();
  expect(await answers).toEqual([["ok"], ["ok"]]);
  expect(await driver.records?.get("a")).toBeUndefined();
  expect(await driver.records?.get("b")).toBeUndefined();
});

test("an extension without an answer takes no job away from its holder", async () => {
  const { join } = stage();
  const { driver, client } = await join();
  await driver.push([item("a")]);
  const reservation = await takeOne(driver, 10_000);
  client.loseAnswers(puts("/p."), 1);
  await driver.extend([{ reservation, leaseMs: 60_000 }]).catch(() => undefined);
  client.heal();
  expect(await driver.extend([{ reservation, leaseMs: 70_000 }])).toEqual(["ok"]);
  expect(await driver.finish([{ reservation, outcome: "done" }])).toEqual(["ok"]);
  expect((await driver.stats("q")).reserved).toBe(0);
});

test("an extension that the store could not settle takes no job away either", async () => {
  const { join } = stage();
  const { driver, client } = await join();
  await driver.push([item("a"), item("b")]);
  const reservations = await take(driver, 2, 10_000);
  client.onTransact = async (writes, send) => {
    if (puts("/p.")(writes)) await send();
    throw noAnswer();
  };
  await driver.extend(reservations.map((reservation) => ({ reservation, leaseMs: 60_000 }))).catch(() => undefined);
  client.heal();
  const items = reservations.map((reservation) => ({ reservation, outcome: "done" }) as const);
  expect(await driver.finish(items)).toEqual(["ok", "ok"]);
});

test("jobs whose extension was not answered come back when their leases are over", async () => {
  const { join, clock } = stage();
  const { driver, client } = await join();
  await driver.push([item("a"), item("b")]);
  const reservations = await take(driver, 2, 1_000);
  client.onTransact = async (writes, send) => {
    if (puts("/p.")(writes)) await send();
    throw noAnswer();
  };
  const [first] = reservations;
  if (first === undefined) throw new Error("there are two jobs");
  await driver.extend([{ reservation: first, leaseMs: 2_000 }]).catch(() => undefined);
  client.heal();
  await clock.advance("5s");
  expect(idsOf(await take(driver, 2)).toSorted()).toEqual(["a", "b"]);
});

test("a finish after a take-back without an answer is stale", async () => {
  const { join, clock } = stage();
  const { driver, client } = await join();
  await driver.push([item("a")]);
  const reservation = await takeOne(driver, 1_000);
  client.onTransact = async (writes, send) => {
    if (endsHeld(writes)) await send();
    throw noAnswer();
  };
  const { get } = client;
  client.get = async () => {
    throw noAnswer();
  };
  await clock.advance("1010ms");
  client.heal();
  client.get = get;
  expect(await driver.finish([{ reservation, outcome: "done" }])).toEqual(["lost"]);
  expect(idsOf(await take(driver))).toEqual(["a"]);
});

test("a claim that was done without an answer is given back when reading it fails, too", async () => {
  const { join, clock } = stage();
  const { driver, client } = await join();
  await driver.push([item("a")]);
  const { get } = client;
  client.loseAnswers(puts("/p."), 1);
  client.get = async (key) => {
    if (key.includes("/p.")) throw noAnswer();
    return get(key);
  };
  await expect(take(driver)).rejects.toThrow("The answer was lost.");
  client.get = get;
  client.heal();
  await clock.advance("1s");
  const again = await takeOne(driver);
  expect(again.job).toMatchObject({ id: "a", attempts: 1, losses: 0 });
});

test("leases that ran out together all come back although the store was away at the first of their transactions", async () => {
  const { join, clock } = stage();
  const { driver, client } = await join({}, { operations: 20 });
  const ids = Array.from({ length: 20 }, (_, index) => `job-${index}`);
  await driver.push(ids.map((id) => item(id)));
  const held = await take(driver, 20, 1_000);
  expect(held).toHaveLength(20);
  const heal = client.cut();
  await clock.advance("1500ms");
  heal();
  await clock.advance("2s");
  expect(idsOf(await take(driver, 20)).toSorted()).toEqual(ids.toSorted());
});

test("a finish that nobody repeats does not keep its job from coming back", async () => {
  const { join, clock } = stage();
  const { driver, client } = await join();
  await driver.push([item("a")]);
  const reservation = await takeOne(driver, 1_000);
  client.onTransact = async () => {
    throw noAnswer();
  };
  expect(await driver.finish([{ reservation, outcome: "done" }])).toEqual(["unknown"]);
  await clock.advance("1500ms");
  client.heal();
  await clock.advance("2s");
  expect(idsOf(await take(driver))).toEqual(["a"]);
});

async function whileLengthened(
  act: (driver: Driver, reservation: Reservation) => Promise<readonly string[]>,
): Promise<readonly string[]> {
  const { join } = stage();
  const { driver, client } = await join();
  await driver.push([item("a")]);
  const reservation = await takeOne(driver, 10_000);
  const waits = new Deferred();
  client.onTransact = async (writes, send) => {
    if (puts("/p.")(writes)) await waits.promise;
    return send();
  };
  const extended = driver.extend([{ reservation, leaseMs: 60_000 }]);
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
  const acted = act(driver, reservation);
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
  waits.resolve();
  await extended;
  return acted;
}

test("a job that is finished while its lease is made longer is finished", async () => {
  expect(await whileLengthened((driver, reservation) => driver.finish([{ reservation, outcome: "done" }]))).toEqual([
    "ok",
  ]);
});

test("a lease that is renewed while it is made longer is not lost", async () => {
  expect(await whileLengthened((driver, reservation) => driver.extend([{ reservation, leaseMs: 10_000 }]))).toEqual([
    "ok",
  ]);
});

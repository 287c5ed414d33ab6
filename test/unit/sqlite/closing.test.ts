import { DatabaseSync } from "node:sqlite";
import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "vitest";
import type { Driver } from "../../../src/contract/index.ts";
import { type SqliteDatabase, sqliteDriver } from "../../../src/drivers/sqlite/index.ts";
import { systemClock } from "../../../src/runtime/index.ts";
import { virtualClock } from "../../../src/testing/virtual-clock.ts";
import { UnheardErrors } from "../../faults/unheard-errors.ts";
import { contextOf, item, newPath, openDriver } from "./setup.ts";

/** The code of what it rejects with, as users see it. */
function codeOf(driver: Driver<SqliteDatabase>, call: Promise<unknown>): Promise<string> {
  return call.then(
    () => "resolved",
    (error: unknown) => driver.classify(error).code,
  );
}

test("a call of many transactions that is under way at close ends as CLOSED", async () => {
  const driver = sqliteDriver({ path: newPath() });
  await driver.open({ ...contextOf(virtualClock()), clock: systemClock }); // by time that goes on it is cut into turns
  await driver.push(Array.from({ length: 5_000 }, () => item()));
  const clearing = codeOf(driver, driver.clear());
  await new Promise<void>((resolve) => void setImmediate(resolve)); // its first portion
  await driver.close();
  expect(await clearing).toBe("CLOSED");
});

test("a push alone, which needs no transaction, is told that its owner closed the database", async () => {
  const database = new DatabaseSync(":memory:");
  const driver = await openDriver({ database }, virtualClock());
  for (let n = 0; n < 2; n += 1) await driver.push([item()]);
  database.close();
  using unheard = new UnheardErrors();
  const calls = [driver.push([item()]), driver.push([item()])];
  const codes = Promise.all(calls.map((call) => codeOf(driver, call)));
  expect(await Promise.race([codes, pause(2_000, "nothing was told")])).toEqual(["CLOSED", "CLOSED"]);
  expect(await codeOf(driver, driver.push([item()]))).toBe("CLOSED");
  await driver.close();
  expect(unheard.all).toEqual([]);
});

test("a database in memory that its owner closes ends every call as CLOSED, waiting ones too", async () => {
  const database = new DatabaseSync(":memory:");
  const clock = virtualClock();
  const driver = await openDriver({ database }, clock);
  const waiting = codeOf(driver, driver.reserve({ queues: ["work"], max: 1, leaseMs: 1_000, waitMs: 60_000 }));
  await clock.advance(0);
  database.close();
  await clock.advance("2s");
  expect(await waiting).toBe("CLOSED");
  const calls = [driver.push([item()]), driver.stats(), driver.maintain({ max: 1 })];
  expect(await Promise.all(calls.map((call) => codeOf(driver, call)))).toEqual(calls.map(() => "CLOSED"));
  await driver.close();
  expect(clock.armed).toBe(0);
});

import { DatabaseSync } from "node:sqlite";
import type * as sqlite from "node:sqlite";
import { describe, expect, test, vi } from "vitest";
import { isJobferryError } from "../../../src/errors/index.ts";
import type { SqliteDatabase, SqliteStatement } from "../../../src/drivers/sqlite/index.ts";
import { virtualClock } from "../../../src/testing/virtual-clock.ts";
import { item, newPath, openDriver, take } from "./setup.ts";

const opened = vi.hoisted(() => [] as DatabaseSync[]);

vi.mock("node:sqlite", async (original) => {
  const actual = await original<typeof sqlite>();
  class Remembered extends actual.DatabaseSync {
    constructor(...parameters: ConstructorParameters<typeof DatabaseSync>) {
      super(...parameters);
      opened.push(this);
    }
  }
  return { ...actual, DatabaseSync: Remembered };
});

describe("push inside the caller's transaction", () => {
  async function shop(): Promise<{ database: DatabaseSync; path: string }> {
    const path = newPath();
    const database = new DatabaseSync(path);
    database.exec("PRAGMA user_version = 7; PRAGMA application_id = 42; CREATE TABLE orders (id INTEGER PRIMARY KEY)");
    return { database, path };
  }

  test("is stored with the caller's rows or not at all, in the caller's own file", async () => {
    const { database } = await shop();
    const driver = await openDriver({ database });
    database.exec("BEGIN; INSERT INTO orders VALUES (1)");
    expect(await driver.push([item({ id: "one" })], { transaction: database })).toEqual([{ status: "stored" }]);
    expect(await take(driver)).toEqual([]);
    database.exec("ROLLBACK");
    expect(await driver.stats()).toMatchObject({ pending: 0 });
    database.exec("BEGIN; INSERT INTO orders VALUES (2)");
    await driver.push([item({ id: "two" })], { transaction: database });
    database.exec("COMMIT");
    expect((await take(driver)).map(({ job }) => job.id)).toEqual(["two"]);
    // The head of the file is the caller's.
    expect(database.prepare("PRAGMA user_version").get()).toEqual({ user_version: 7 });
    expect(database.prepare("PRAGMA application_id").get()).toEqual({ application_id: 42 });
    await driver.close();
    expect(database.prepare("SELECT count(*) AS n FROM orders").get()).toEqual({ n: 1 });
    database.close();
  });

  test("is done when push returns, so that the caller may commit without waiting", async () => {
    const { database } = await shop();
    const driver = await openDriver({ database });
    database.exec("BEGIN");
    const pushed = driver.push([item({ id: "sync" })], { transaction: database });
    database.exec("COMMIT");
    expect(await pushed).toEqual([{ status: "stored" }]);
    expect((await take(driver)).map(({ job }) => job.id)).toEqual(["sync"]);
    await driver.close();
    database.close();
  });

  test("text is stored as its UTF-8 also where the database keeps its own texts as UTF-16", async () => {
    const path = newPath();
    const database = new DatabaseSync(path);
    database.exec("PRAGMA encoding = 'UTF-16le'; CREATE TABLE orders (id INTEGER PRIMARY KEY)");
    const driver = await openDriver({ database });
    const payloadText = '{"name":"Zoë\u0000 \ud83d\ude00"}';
    const texts = (id: string) => item({ id, payload: new TextEncoder().encode(payloadText), payloadText });
    await driver.push([texts("own")]);
    database.exec("BEGIN");
    await driver.push([texts("inside")], { transaction: database });
    database.exec("COMMIT");
    const taken = [...(await take(driver)), ...(await take(driver))];
    expect(taken.map(({ job }) => [job.id, new TextDecoder().decode(job.payload)])).toEqual([
      ["own", payloadText],
      ["inside", payloadText],
    ]);
    await driver.close();
    database.close();
  });

  test("a queue that only a rolled back transaction made is made again", async () => {
    const database = new DatabaseSync(":memory:");
    const driver = await openDriver({ database });
    database.exec("BEGIN");
    await driver.push([item({ queue: "new" })], { transaction: database });
    expect(await driver.queues()).toEqual(["new"]);
    await driver.stats("new");
    database.exec("ROLLBACK");
    await driver.push([item({ queue: "other" }), item({ queue: "new", id: "kept" })]);
    const { reservations } = await driver.reserve({ queues: ["new"], max: 5, leaseMs: 1_000, waitMs: 0 });
    expect(reservations.map(({ job }) => job.id)).toEqual(["kept"]);
    await driver.close();
    database.close();
  });

  test("wants a transaction that is open, on a database with the queue in it", async () => {
    const { database } = await shop();
    const driver = await openDriver({ database });
    await expect(driver.push([item()], { transaction: database })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    const other = new DatabaseSync(":memory:");
    other.exec("BEGIN");
    await expect(driver.push([item()], { transaction: other })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    other.close();
    await driver.close();
    database.close();
  });
});

describe("waiting for the lock", () => {
  test.each([0, 1])("a push waits for another writer and is stored when it ends (after %i pushes)", async (before) => {
    const clock = virtualClock();
    const path = newPath();
    const driver = await openDriver({ path }, clock);
    for (let i = 0; i < before; i += 1) await driver.push([item()]);
    const other = new DatabaseSync(path);
    other.exec("BEGIN IMMEDIATE");
    let answered = false;
    const pushed = driver.push([item()]).finally(() => (answered = true));
    await clock.advance(500);
    expect(answered).toBe(false);
    other.exec("COMMIT");
    await clock.advance(10);
    expect(await pushed).toEqual([{ status: "stored" }]);
    other.close();
  });

  test.each([0, 1])("and fails as retryable when it does not end in time (after %i pushes)", async (before) => {
    const clock = virtualClock();
    const path = newPath();
    const driver = await openDriver({ path, busyTimeout: "1s" }, clock);
    for (let i = 0; i < before; i += 1) await driver.push([item({ id: "first" })]);
    const other = new DatabaseSync(path);
    other.exec("BEGIN IMMEDIATE");
    const pushed = driver.push([item()]);
    await clock.advance(1_100);
    const [result] = await pushed;
    expect(result?.status).toBe("failed");
    expect(driver.classify(result !== undefined && "error" in result ? result.error : undefined)).toMatchObject({
      code: "UNAVAILABLE",
      retryable: true,
    });
    other.exec("COMMIT");
    other.close();
    expect(await driver.stats()).toMatchObject({ pending: before });
  });

  test("a shared database in memory is left alone while its owner is inside a transaction", async () => {
    const clock = virtualClock();
    const database = new DatabaseSync(":memory:");
    const driver = await openDriver({ database, busyTimeout: "1s" }, clock);
    database.exec("BEGIN");
    const waits = driver.push([item()]);
    await clock.advance(100);
    database.exec("COMMIT");
    await clock.advance(10);
    expect(await waits).toEqual([{ status: "stored" }]);
    database.exec("BEGIN");
    const fails = driver.push([item()]).catch((error: unknown) => error);
    await clock.advance(1_100);
    const error = await fails;
    expect(isJobferryError(error, "UNAVAILABLE")).toBe(true);
    expect(driver.classify(error)).toMatchObject({
      retryable: true,
      message: expect.stringContaining("transaction of yours"),
    });
    database.exec("ROLLBACK");
    await driver.close();
    database.close();
  });

  test("an abort while it waits for the lock takes no job", async () => {
    const clock = virtualClock();
    const path = newPath();
    const driver = await openDriver({ path }, clock);
    await driver.push([item()]);
    const other = new DatabaseSync(path);
    other.exec("BEGIN IMMEDIATE");
    const stop = new AbortController();
    const request = { queues: ["work"], max: 1, leaseMs: 1_000, waitMs: 60_000, signal: stop.signal };
    const reserved = driver.reserve(request);
    await clock.advance(50);
    stop.abort();
    await clock.advance(50);
    expect((await reserved).reservations).toEqual([]);
    other.exec("COMMIT");
    other.close();
    expect(await take(driver)).toHaveLength(1);
  });
});

/** A database that counts how often each statement runs. */
function counting(database: DatabaseSync, runs: Map<string, number>): SqliteDatabase {
  return {
    get isTransaction() {
      return database.isTransaction;
    },
    exec: (sql) => database.exec(sql),
    location: () => database.location(),
    close: () => database.close(),
    prepare(sql): SqliteStatement {
      const statement = database.prepare(sql);
      const count = (): unknown => runs.set(sql, (runs.get(sql) ?? 0) + 1);
      return {
        all: (...values) => statement.all(...values),
        get(...values) {
          count();
          return statement.get(...values);
        },
        run(...values) {
          count();
          return statement.run(...values);
        },
      };
    },
  };
}

describe("batching of writes", () => {
  test("what is called in one tick shares a transaction", async () => {
    const runs = new Map<string, number>();
    const database = new DatabaseSync(":memory:");
    const driver = await openDriver({ database: counting(database, runs) });
    await driver.push([item(), item()]);
    const [first] = await take(driver);
    if (first === undefined) throw new Error("a job is held");
    runs.clear();
    const [finished, reserved] = await Promise.all([
      driver.finish([{ reservation: first, outcome: "done" }]),
      take(driver),
    ]);
    expect([finished, reserved.length]).toEqual([["ok"], 1]);
    expect(runs.get("COMMIT")).toBe(1);
    await driver.close();
    database.close();
  });

  test("a single job in a queue that is known is pushed in one statement", async () => {
    const runs = new Map<string, number>();
    const database = new DatabaseSync(":memory:");
    const driver = await openDriver({ database: counting(database, runs) });
    await driver.push([item()]);
    expect(runs.get("COMMIT")).toBe(1);
    runs.clear();
    expect(await driver.push([item({ id: "same" })])).toEqual([{ status: "stored" }]);
    expect(await driver.push([item({ id: "same" })])).toEqual([{ status: "exists" }]);
    expect([...runs.keys()].filter((sql) => !sql.startsWith("INSERT INTO jobferry_jobs"))).toEqual([]);
    await driver.push([item({ payload: new Uint8Array(10_000) })]);
    expect(runs.get("COMMIT")).toBe(1);
    expect(await driver.stats()).toMatchObject({ pending: 3 });
    await driver.close();
    database.close();
  });

  test("a call that fails takes no other with it", async () => {
    const driver = await openDriver({ path: ":memory:" });
    const bad = item({ createdAt: Symbol("no number") as unknown as number });
    const results = await Promise.allSettled([
      driver.push([item({ id: "a" })]),
      driver.push([item({ id: "b" }), bad]),
      driver.push([item({ id: "c" })]),
    ]);
    expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect((await take(driver, 5)).map(({ job }) => job.id)).toEqual(["a", "c"]);
  });

  test("looking at an empty queue opens no transaction", async () => {
    const runs = new Map<string, number>();
    const database = new DatabaseSync(":memory:");
    const driver = await openDriver({ database: counting(database, runs) });
    await driver.push([item({ delayMs: 60_000 })]);
    runs.clear();
    expect(await driver.reserve({ queues: ["work", "none"], max: 5, leaseMs: 1_000, waitMs: 0 })).toMatchObject({
      reservations: [],
      nextDueInMs: 60_000,
    });
    await driver.maintain({ max: 10 });
    expect(runs.get("BEGIN IMMEDIATE")).toBeUndefined();
    await driver.close();
    database.close();
  });
});

test.each([
  ["serverCrash", 1],
  ["power", 2],
] as const)("durability %s: every commit is written with synchronous = %i", async (durability, synchronous) => {
  opened.length = 0;
  const clock = virtualClock();
  const driver = await openDriver({ path: newPath(), durability }, clock);
  const [database] = opened;
  expect(database?.prepare("PRAGMA synchronous").get()).toEqual({ synchronous });
  expect(database?.prepare("PRAGMA journal_mode").get()).toEqual({ journal_mode: "wal" });
  await driver.close();
});

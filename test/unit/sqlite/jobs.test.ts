import { existsSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, test } from "vitest";
import { virtualClock } from "../../../src/testing/virtual-clock.ts";
import { FAILURE, KEEP_ALL, item, newPath, openDriver, take } from "./setup.ts";

const count = (database: DatabaseSync, table: string): number =>
  (database.prepare(`SELECT count(*) AS n FROM ${table}`).get() as { n: number }).n;

describe("text that SQLite or Node would change", () => {
  const hostile = [
    "a\0b",
    "\0",
    "lone \ud800 surrogate",
    "ünïcode 🚀",
    "'; DROP TABLE jobferry_jobs; --",
    "\u0001\u001f",
    "\uffff",
  ];

  test.each(hostile)("%j comes back in id, name, tags and failure", async (text) => {
    const driver = await openDriver({ path: newPath() });
    const tags = Object.fromEntries([
      [text, text],
      ["__proto__", text],
    ]);
    await driver.push([item({ id: text, name: text, tags }), item({ id: `${text}x` })]);
    expect(await driver.push([item({ id: text })])).toEqual([{ status: "exists" }]);
    const [held] = await take(driver);
    expect(held?.job).toMatchObject({ id: text, name: text });
    expect(Object.entries(held?.job.tags ?? {})).toEqual(Object.entries(tags));
    const failure = { ...FAILURE, message: text, stack: text };
    await driver.finish(held === undefined ? [] : [{ reservation: held, outcome: "fail", failure }]);
    expect((await driver.records?.get(text))?.failure).toEqual(failure);
    const listed = await driver.records?.list({ name: text, tag: [text, text], error: text }, { limit: 10 });
    expect(listed?.jobs.map(({ id }) => id)).toEqual([text]);
    expect(await driver.records?.remove([text])).toBe(1);
  });
});

describe("large payloads", () => {
  const large = (): Uint8Array => new Uint8Array(100_000).map((_, i) => i % 251);

  test("lie in a table of their own, and go with their job", async () => {
    const database = new DatabaseSync(":memory:");
    const driver = await openDriver({ database });
    const [a, b, c, d] = [0, 1, 2, 3].map(() => item({ payload: large() })) as [
      ReturnType<typeof item>,
      ...ReturnType<typeof item>[],
    ];
    await driver.push([a, b, c, d].filter((one) => one !== undefined));
    expect(count(database, "jobferry_bodies")).toBe(4);
    expect(await driver.push([a])).toEqual([{ status: "exists" }]);
    expect(count(database, "jobferry_bodies")).toBe(4);
    const held = await take(driver, 2);
    expect(held.map(({ job }) => Buffer.compare(job.payload, large()))).toEqual([0, 0]);
    const [first, second] = held;
    if (first === undefined || second === undefined) throw new Error("two jobs are held");
    await driver.finish([{ reservation: first, outcome: "done" }]);
    expect(count(database, "jobferry_bodies")).toBe(3);
    await driver.finish([{ reservation: second, outcome: "fail", failure: FAILURE }]);
    expect(count(database, "jobferry_bodies")).toBe(3);
    expect((await driver.records?.get(second.job.id))?.payload).toEqual(large());
    await driver.records?.remove([second.job.id]);
    expect(await driver.clear("work")).toEqual({ removed: 2 });
    expect(count(database, "jobferry_bodies")).toBe(0);
    await driver.close();
    database.close();
  });

  test("one that is too large is refused alone", async () => {
    const driver = await openDriver({ path: ":memory:" });
    const results = await driver.push([item(), item({ payload: new Uint8Array(8 * 1024 * 1024 + 1) }), item()]);
    expect(results).toMatchObject([
      { status: "stored" },
      { status: "refused", error: { code: "PAYLOAD_TOO_LARGE" } },
      { status: "stored" },
    ]);
  });
});

describe("retention", () => {
  const names = async (
    driver: Awaited<ReturnType<typeof openDriver>>,
    state: "failed" | "completed",
  ): Promise<readonly string[]> =>
    (await driver.records?.list({ state }, { limit: 100 }))?.jobs.map(({ id }) => id) ?? [];

  test("keeps the newest by number and by age, with bodies gone too", async () => {
    const clock = virtualClock();
    const database = new DatabaseSync(":memory:");
    const retention = { completed: { count: 3, ageMs: 60_000 }, failed: KEEP_ALL };
    const driver = await openDriver({ database }, clock, retention);
    await driver.push(["a", "b", "c", "d", "e"].map((id) => item({ id, payload: new Uint8Array(50_000) })));
    for (const reservation of await take(driver, 5)) {
      await clock.advance("1s");
      await driver.finish([{ reservation, outcome: "done", result: new Uint8Array([7]) }]);
    }
    await driver.maintain({ max: 100 });
    expect(await names(driver, "completed")).toEqual(["c", "d", "e"]);
    expect((await driver.records?.get("e"))?.result).toEqual(new Uint8Array([7]));
    await clock.advance(58_500);
    await driver.maintain({ max: 100 });
    expect(await names(driver, "completed")).toEqual(["d", "e"]);
    await clock.advance("1h");
    await driver.maintain({ max: 1 });
    expect(await names(driver, "completed")).toEqual(["e"]);
    await driver.maintain({ max: 1 });
    expect(count(database, "jobferry_bodies")).toBe(0);
    expect(await driver.stats("work")).toMatchObject({ completed: 5 });
    await driver.close();
    database.close();
  });

  test("failed jobs that are not kept leave nothing", async () => {
    const driver = await openDriver({ path: ":memory:" }, virtualClock(), { failed: { count: 0, ageMs: 0 } });
    await driver.push([item({ payload: new Uint8Array(50_000) })]);
    const [held] = await take(driver);
    await driver.finish(held === undefined ? [] : [{ reservation: held, outcome: "fail", failure: FAILURE }]);
    expect(await names(driver, "failed")).toEqual([]);
  });
});

describe("leases", () => {
  test("of before a restart of the machine have ended", async () => {
    const clock = virtualClock();
    const path = newPath();
    const driver = await openDriver({ path }, clock);
    await driver.push([item({ id: "held" })]);
    await take(driver, 1, 3_600_000);
    await driver.close();
    const same = await openDriver({ path }, clock);
    expect(await take(same)).toEqual([]);
    await same.close();
    const database = new DatabaseSync(path);
    database.exec("UPDATE jobferry_meta SET value = 'another boot' WHERE key = 'clock'");
    database.close();
    const [again] = await take(await openDriver({ path }, clock));
    expect(again?.job).toMatchObject({ id: "held", losses: 1 });
  });

  test("do not end by a step of the wall clock, and delays are never early after a step back", async () => {
    const clock = virtualClock();
    const driver = await openDriver({ path: newPath() }, clock);
    await driver.push([item({ id: "held" })]);
    await take(driver, 1, 60_000);
    clock.setWallClock(clock.now() + 86_400_000);
    expect(await take(driver)).toEqual([]);
    await driver.push([item({ id: "delayed", delayMs: 5_000 })]);
    clock.setWallClock(clock.now() - 3_600_000);
    await clock.advance(5_000);
    expect(await take(driver)).toEqual([]);
    await clock.advance(3_600_000);
    expect((await take(driver, 5)).map(({ job }) => job.id)).toContain("delayed");
  });
});

test("a long queue is counted exactly, and clear removes what was there when it was called", async () => {
  const driver = await openDriver({ path: newPath() });
  const batch = (): Promise<unknown> => driver.push(Array.from({ length: 5_000 }, () => item({ priority: 3 })));
  for (let i = 0; i < 5; i += 1) await batch();
  expect(await driver.stats("work")).toMatchObject({ pending: 25_000, delayed: 0 });
  expect(await driver.stats()).toMatchObject({ pending: 25_000, oldestPendingAt: Date.UTC(2030, 0, 1) });
  const cleared = driver.clear();
  await driver.push([item({ id: "late" })]);
  expect(await cleared).toEqual({ removed: 25_000 });
  expect(await driver.stats()).toMatchObject({ pending: 1 });
});

test("the last one to close removes the WAL", async () => {
  const path = newPath();
  const first = await openDriver({ path });
  const second = await openDriver({ path });
  await first.push([item()]);
  await first.close();
  expect(existsSync(`${path}-wal`)).toBe(true);
  await second.close();
  await second.close();
  expect(existsSync(`${path}-wal`)).toBe(false);
});

test("a mixed batch answers each job for itself and keeps the order", async () => {
  const driver = await openDriver({ path: newPath() });
  await driver.push(["kept-1", "kept-2", "a\0kept"].map((id) => item({ id })));
  const ids = Array.from({ length: 47 }, (_, i) => `n${i}`);
  ids[3] = "kept-1";
  ids[14] = "n12";
  ids[15] = "a\0new";
  ids[16] = "a\0kept";
  ids[25] = "kept-2";
  const refused = new Set([20]);
  const jobs = ids.map((id, i) =>
    item({
      id,
      ...(i % 13 === 7 ? { payload: new Uint8Array(20_000) } : {}),
      ...(refused.has(i) ? { priority: 1e12 } : {}),
      ...(i === 30 ? { delayMs: 5_000 } : {}),
    }),
  );
  const exists = new Set([3, 14, 16, 25]);
  const wanted = ids.map((_, i) => (refused.has(i) ? "refused" : exists.has(i) ? "exists" : "stored"));
  expect((await driver.push(jobs)).map(({ status }) => status)).toEqual(wanted);
  expect((await driver.push(jobs)).map(({ status }) => status)).toEqual(
    wanted.map((one) => one.replace("stored", "exists")),
  );
  const inLine = ids.filter((_, i) => wanted[i] === "stored" && i !== 30);
  expect((await take(driver, 100)).map(({ job }) => job.id)).toEqual(["kept-1", "kept-2", "a\0kept", ...inLine]);
  expect(await driver.stats()).toMatchObject({ delayed: 1, pending: 0, reserved: 3 + inLine.length });
});

import { expect, test } from "vitest";
import type { CoordinationStore, Reservation } from "../../../src/contract/index.ts";
import { decodeCounter, encodeCounter, NO_COUNTS } from "../../../src/drivers/coordinated/counters.ts";
import { Keys } from "../../../src/drivers/coordinated/keys.ts";
import { item, type Member, stage, take, takeOne } from "./stage.ts";

const KB = 1_024;
const keys = new Keys();
const done = (reservation: Reservation) => ({ reservation, outcome: "done" }) as const;
const failure = { code: "HANDLER_FAILED", name: "E", message: "m".repeat(2_000), stack: undefined } as const;
const large = (id: string, bytes = 100 * KB, more = {}) => item(id, { payload: new Uint8Array(bytes), ...more });

/** By the counters. */
async function counted(store: CoordinationStore): Promise<number> {
  let sum = 0;
  const owners = (await store.list(keys.owners)).entries.map(({ key }) => key.slice(keys.owners.length));
  for (const owner of ["base", ...owners])
    for (const { value } of (await store.list(keys.countersOf(owner))).entries)
      sum += decodeCounter(value).counts.bytes;
  return sum;
}

/** What lies in the buckets of jobs that wait. */
async function there(store: CoordinationStore): Promise<number> {
  let sum = 0;
  for (const kind of ["r", "d"] as const)
    for (const { key } of (await store.list(keys.markers(kind))).entries)
      for (const { value } of (await store.list(keys.bucket(kind, keys.bucketOf(key)))).entries) sum += value.length;
  return sum;
}

async function agrees({ client }: Member): Promise<number> {
  const bytes = await counted(client.inner);
  expect(bytes).toBe(await there(client.inner));
  return bytes;
}

test("a push beyond maxBacklogBytes is STORE_FULL and says so, and goes when workers have made room", async () => {
  const { driver } = await stage().join({ maxBacklogBytes: 250 * KB });
  const results = await driver.push(["a", "b", "c", "d"].map((id) => large(id)));
  // The last one may reach beyond it.
  expect(results.map(({ status }) => status)).toEqual(["stored", "stored", "stored", "failed"]);
  expect(results[3]).toMatchObject({
    error: {
      code: "STORE_FULL",
      retryable: true,
      message: expect.stringMatching(/\d{6} bytes.*maxBacklogBytes.*256000/),
    },
  });
  expect(await driver.push([large("d", 1, { delayMs: 1_000 })])).toMatchObject([{ status: "failed" }]);
  const held = await take(driver, 1);
  expect(await driver.push([large("d")])).toMatchObject([{ status: "stored" }]);
  expect(await driver.finish(held.map(done))).toEqual(["ok"]);
});

test("the bytes that wait are counted right through everything that becomes of a job", async () => {
  const on = stage();
  const member = await on.join({}, {}, { count: 1, ageMs: Infinity });
  const { driver } = member;
  await driver.push([large("a"), large("b"), large("c"), large("d", KB, { delayMs: 5_000 })]);
  expect(await agrees(member)).toBeGreaterThan(301 * KB);
  const [a, b, c] = await take(driver, 3);
  if (a === undefined || b === undefined || c === undefined) throw new Error("they did not come");
  expect(await agrees(member)).toBeLessThan(2 * KB);
  const back = { outcome: "release", failure } as const;
  await driver.finish([
    { ...back, reservation: a, delayMs: 0 },
    { ...back, reservation: b, delayMs: 9_000 },
    { outcome: "fail", failure, reservation: c },
  ]);
  expect(await agrees(member)).toBeGreaterThan(205 * KB);
  await driver.records?.retry(["c"]);
  expect(await agrees(member)).toBeGreaterThan(305 * KB);
  await on.clock.advance("6s");
  await driver.maintain({ max: 100 });
  await driver.records?.promote(["b"]);
  expect(await agrees(member)).toBeGreaterThan(305 * KB);
  await driver.records?.remove(["b"]);
  expect(await agrees(member)).toBeLessThan(205 * KB);
  // Its lease runs out.
  await takeOne(driver, 1_000);
  await on.clock.advance("2s");
  await driver.maintain({ max: 100 });
  expect(await agrees(member)).toBeGreaterThan(200 * KB);
  const held = await take(driver, 2);
  await driver.finish(held.map((reservation) => ({ reservation, outcome: "fail", failure })));
  await driver.maintain({ max: 100 });
  await agrees(member);
  await driver.clear();
  expect(await agrees(member)).toBe(0);
});

test("what a dead process held waits again with its bytes, and its counters are kept", async () => {
  const on = stage();
  const [one, other] = [await on.join(), await on.join()];
  await one.driver.push([large("a"), large("b")]);
  await takeOne(one.driver, 1_000);
  one.client.die();
  for (let looks = 0; looks < 60; looks += 1) {
    await on.clock.advance("1s");
    await other.driver.maintain({ max: 100 });
  }
  expect(await agrees(other)).toBeGreaterThan(200 * KB);
  expect((await other.client.inner.list(keys.owners)).entries).toHaveLength(1);
});

test("jobs that were stored before bytes were counted add nothing, and take nothing away", async () => {
  const on = stage();
  const [before, after] = [await on.join(), await on.join()];
  const store = before.client.inner;
  await before.driver.push([large("a")]);
  const [marker] = (await store.list(keys.markers("r"))).entries;
  const [entry] = (await store.list(keys.bucket("r", keys.bucketOf(marker?.key ?? "")))).entries;
  if (entry === undefined) throw new Error("there is no job");
  const old = entry.key.slice(0, entry.key.lastIndexOf("~"));
  const moved = [
    { delete: entry.key },
    { put: old, value: entry.value },
    { put: keys.id("a"), value: Buffer.from(old) },
  ];
  await store.transact([], [...moved, ...(await withoutBytes(store))]);
  expect(await counted(store)).toBe(0);
  const held = await take(after.driver);
  expect(held).toHaveLength(1);
  expect(await counted(store)).toBe(0);
  await after.driver.finish(held.map((reservation) => ({ reservation, outcome: "release", delayMs: 0 })));
  expect(await agrees(after)).toBeGreaterThan(100 * KB);
});

/** The counters as they were written then. */
async function withoutBytes(store: CoordinationStore) {
  const owners = (await store.list(keys.owners)).entries.map(({ key }) => key.slice(keys.owners.length));
  const lists = await Promise.all(owners.map((owner) => store.list(keys.countersOf(owner))));
  return lists
    .flatMap(({ entries }) => entries)
    .map(({ key, value }) => {
      const fields = JSON.parse(Buffer.from(value).toString()) as unknown[];
      return { put: key, value: Buffer.from(JSON.stringify(fields.slice(0, 8))) };
    });
}

test.each([-5_000_000, 80 * KB * KB])(
  "%i bytes too many by an older process are forgotten where nothing waits",
  async (bytes) => {
    const member = await stage().join();
    const { driver, client } = member;
    const key = keys.counter("base", "q", 0);
    const value = encodeCounter({ queue: "q", serial: 1, counts: { ...NO_COUNTS, bytes } });
    await client.inner.transact([], [{ put: key, value }]);
    expect(await driver.push([large("a")])).toMatchObject([{ status: "stored" }]);
    await driver.maintain({ max: 100 });
    expect(await counted(client.inner)).not.toBe(await there(client.inner));
    await driver.clear();
    await driver.maintain({ max: 100 });
    expect(await agrees(member)).toBe(0);
  },
);

test("pushes of one process at once go beyond it by one job, and those of several processes by about a batch each", async () => {
  const on = stage();
  const max = 4_000 * KB;
  const members = await Promise.all([1, 2, 3].map(() => on.join({ maxBacklogBytes: max })));
  const [first] = members;
  const push = async ({ driver }: Member, from: string): Promise<void> => {
    for (let n = 0; n < 60; n += 1) await driver.push([large(`${from}.${n}.a`), large(`${from}.${n}.b`)]);
  };
  if (first === undefined) throw new Error("nobody came");
  await Promise.all(Array.from({ length: 10 }, (_, lane) => push(first, String(lane))));
  expect(await agrees(first)).toBeGreaterThan(max - 300 * KB);
  expect(await agrees(first)).toBeLessThan(max + 110 * KB);
  await first.driver.clear();
  await Promise.all(members.map((member, at) => push(member, `m${at}`)));
  expect(await agrees(first)).toBeLessThan(max + 3 * 1_300 * KB);
});

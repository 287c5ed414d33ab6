/** Servers that take less than the store says, and tell it only by refusing. */
import { expect, test } from "vitest";
import type { CoordinationWrite, Reservation } from "../../../src/contract/index.ts";
import { JobferryError } from "../../../src/errors/index.ts";
import { type Client, endsHeld, idsOf, item, puts, stage, take } from "./stage.ts";

const BYTES = 20_000;
const jobs = (count: number, bytes = 300, more = {}) =>
  Array.from({ length: count }, (_, n) => item(`j${n}`, { payload: new Uint8Array(bytes), ...more }));
const done = (reservation: Reservation) => ({ reservation, outcome: "done" }) as const;

function sizeOf(writes: readonly CoordinationWrite[]): number {
  return writes.reduce((sum, write) => sum + ("put" in write ? write.put.length + write.value.length : 0), 0);
}

/** How many were refused so far. */
function limit(
  client: Client,
  { bytes = Infinity, operations = Infinity, concern = () => true }: Limits,
): { count: number } {
  const refused = { count: 0 };
  client.onTransact = async (writes, send) => {
    const code = sizeOf(writes) > bytes ? "PAYLOAD_TOO_LARGE" : writes.length > operations ? "INVALID_ARGUMENT" : "";
    if (code === "" || !concern(writes)) return send();
    refused.count += 1;
    throw new JobferryError(code, "The server takes less.");
  };
  return refused;
}
type Limits = Readonly<{
  bytes?: number;
  operations?: number;
  concern?: (writes: readonly CoordinationWrite[]) => boolean;
}>;

test("a batch that the server takes only in pieces is stored, and the next one pays nothing for it until a minute is over", async () => {
  const { join, clock } = stage();
  const { driver, client } = await join();
  const refused = limit(client, { bytes: BYTES });
  const results = await driver.push(jobs(50));
  expect(new Set(results.map(({ status }) => status))).toEqual(new Set(["stored"]));
  expect(refused.count).toBeGreaterThan(0);
  expect(await driver.stats()).toMatchObject({ pending: 50 });
  await driver.clear();
  const before = refused.count;
  await driver.push(jobs(50));
  expect(refused.count).toBe(before);
  await clock.advance("61s");
  await driver.clear();
  await driver.push(jobs(50));
  expect(refused.count).toBeGreaterThan(before);
  expect(await driver.stats()).toMatchObject({ pending: 50 });
});

test.each([7, 16])("a server that takes %i operations gets no more after it refused them", async (operations) => {
  const { driver, client } = await stage().join();
  const refused = limit(client, { operations });
  const results = await driver.push(jobs(50));
  expect(new Set(results.map(({ status }) => status))).toEqual(new Set(["stored"]));
  expect(refused.count).toBeLessThan(6);
  const held = await take(driver, 50);
  expect(held).toHaveLength(50);
  expect(await driver.finish(held.map(done))).toEqual(held.map(() => "ok"));
  expect(await driver.stats()).toMatchObject({ pending: 0, reserved: 0, completed: 50 });
});

test("one job that is too large is told so alone, and holds up none of those beside it", async () => {
  const { driver, client } = await stage().join();
  limit(client, { bytes: BYTES });
  const items = [...jobs(6), item("large", { payload: new Uint8Array(2 * BYTES) }), item("last")];
  const results = await driver.push(items);
  expect(results[6]).toMatchObject({ status: "failed", error: { code: "PAYLOAD_TOO_LARGE" } });
  expect(results.filter(({ status }) => status === "stored")).toHaveLength(7);
  expect(await driver.stats()).toMatchObject({ pending: 7 });
});

test("claims, ends and clear go in pieces that the server takes", async () => {
  const { driver, client } = await stage().join();
  await driver.push(jobs(60));
  limit(client, { bytes: BYTES });
  const held = await take(driver, 50);
  expect(new Set(idsOf(held)).size).toBe(50);
  const fail = { code: "HANDLER_FAILED", name: "E", message: "m".repeat(3_000), stack: undefined } as const;
  const ends = held.map((reservation) => ({ reservation, outcome: "fail", failure: fail }) as const);
  expect(await driver.finish(ends)).toEqual(held.map(() => "ok"));
  expect(await driver.clear()).toEqual({ removed: 10 });
  expect(await driver.stats()).toMatchObject({ pending: 0, reserved: 0, failed: 50 });
});

test("what goes only in smaller transactions is given before what others of the same claim took", async () => {
  const { driver, client } = await stage().join({}, { operations: 32 });
  const large = Array.from({ length: 8 }, (_, n) => item(`j${n}`, { payload: new Uint8Array(5_000) }));
  const small = Array.from({ length: 8 }, (_, n) => item(`k${n}`));
  for (const one of [...large, ...small]) await driver.push([one]);
  const refused = limit(client, { bytes: BYTES, concern: puts("/p.") });
  const held = await take(driver, 16);
  expect(refused.count).toBeGreaterThan(0);
  expect(held.map(({ job }) => job.id)).toEqual([...large, ...small].map(({ id }) => id));
});

test("a job that is too large with all of its failure or result ends with less of them", async () => {
  const { driver, client } = await stage().join();
  await driver.push(jobs(2, 17_000));
  limit(client, { bytes: BYTES });
  const [one, other] = await take(driver, 2);
  if (one === undefined || other === undefined) throw new Error("they did not come");
  const failure = { code: "HANDLER_FAILED", name: "E", message: "m".repeat(4_000), stack: "s".repeat(4_000) } as const;
  expect(
    await driver.finish([
      { reservation: one, outcome: "fail", failure },
      { reservation: other, outcome: "release", delayMs: 0, failure },
    ]),
  ).toEqual(["ok", "ok"]);
  const failed = await driver.records?.get(one.job.id);
  expect(failed).toMatchObject({ state: "failed", failure: { code: "HANDLER_FAILED", stack: undefined } });
  expect(failed?.failure?.message).toMatch(/^m{200}$/);
});

test("what ran out, and what a dead process held, comes back in pieces", async () => {
  const on = stage();
  const [one, other] = [await on.join(), await on.join()];
  await one.driver.push(jobs(40));
  await take(one.driver, 20, 1_000);
  const refused = limit(one.client, { bytes: 5_000, concern: endsHeld });
  await on.clock.advance("2s");
  await expect.poll(async () => (await one.driver.stats()).reserved).toBe(0);
  expect(refused.count).toBeGreaterThan(0);
  one.client.heal();
  expect(await take(one.driver, 30, 60_000)).toHaveLength(30);
  one.client.die();
  const again = limit(other.client, { bytes: 5_000, concern: endsHeld });
  for (let looks = 0; looks < 100; looks += 1) {
    await on.clock.advance("1s");
    await other.driver.maintain({ max: 1_000 });
  }
  expect(again.count).toBeGreaterThan(0);
  expect(await other.driver.stats()).toMatchObject({ pending: 40, reserved: 0 });
});

test("what is due becomes ready in pieces", async () => {
  const on = stage();
  const { driver, client } = await on.join();
  await driver.push(jobs(40, 300, { delayMs: 5_000 }));
  const refused = limit(client, { bytes: 5_000, concern: puts("jobs/r") });
  await on.clock.advance("6s");
  expect(await driver.maintain({ max: 1_000 })).toMatchObject({ promoted: 40 });
  expect(refused.count).toBeGreaterThan(0);
});

test("an answer that was lost beside refusals leaves each job once", async () => {
  const { driver, client } = await stage().join();
  let count = 0;
  client.onTransact = async (writes, send) => {
    if (sizeOf(writes) > BYTES) throw new JobferryError("PAYLOAD_TOO_LARGE", "The server takes less.");
    const result = await send();
    if (puts("/i/")(writes) && (count += 1) % 2 === 1) throw new Error("The answer was lost.");
    return result;
  };
  const results = await driver.push(jobs(50));
  expect(new Set(results.map(({ status }) => status))).toEqual(new Set(["stored"]));
  client.heal();
  expect(new Set(idsOf(await take(driver, 100))).size).toBe(50);
  expect(await driver.stats()).toMatchObject({ pending: 0, reserved: 50 });
});

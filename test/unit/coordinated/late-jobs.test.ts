/** A look that fails, or that is not whole, is none: what is due stays due. */
import { expect, test } from "vitest";
import { JobferryError } from "../../../src/errors/index.ts";
import { idsOf, item, type Member, puts, stage, take } from "./stage.ts";

const MINUTE_MS = 60_000;
const gone = () => new JobferryError("UNAVAILABLE", "Gone for a moment.", { retryable: true });

/** Nothing becomes ready until what it gives is called. */
function breakPromotions(members: readonly Member[]): () => void {
  for (const { client } of members)
    client.onTransact = async (writes, send) => {
      if (puts("jobs/r")(writes)) throw gone();
      return send();
    };
  return () => {
    for (const { client } of members) client.heal();
  };
}

test("a delayed job whose promotion failed everywhere comes when the store is back, not with the next one of its bucket", async () => {
  const on = stage();
  const members = [await on.join(), await on.join()];
  const all = (act: (member: Member) => Promise<unknown>) => Promise.all(members.map(act));
  await members[0]?.driver.push([item("due", { delayMs: 64 * MINUTE_MS }), item("later", { delayMs: 74 * MINUTE_MS })]);
  await on.clock.advance(64 * MINUTE_MS - 50);
  const heal = breakPromotions(members);
  for (let second = 0; second < 3; second += 1) {
    await on.clock.advance(1_000);
    await all(({ driver }) => take(driver).catch(() => undefined));
  }
  heal();
  await on.clock.advance(1_000);
  const [one, other] = members;
  if (one === undefined || other === undefined) throw new Error("nobody joined");
  expect(idsOf([...(await take(one.driver)), ...(await take(other.driver))])).toEqual(["due"]);
});

test("what one look has no room for is found by the next", async () => {
  const on = stage();
  const { driver } = await on.join();
  const delays = [64 * MINUTE_MS, 64 * MINUTE_MS + 1, 74 * MINUTE_MS];
  await driver.push(delays.map((delayMs, index) => item(String(index), { delayMs })));
  await on.clock.advance(64 * MINUTE_MS + 100);
  expect((await driver.maintain({ max: 1 })).promoted).toBe(1);
  expect((await driver.maintain({ max: 1 })).promoted).toBe(1);
  expect(idsOf(await take(driver, 5))).toEqual(["0", "1"]);
});

test("a process that died is looked at again when the first look failed, however long the leases of others last", async () => {
  const on = stage();
  const [patient, hasty, living] = [await on.join(), await on.join(), await on.join()];
  await patient.driver.push([item("long")]);
  await take(patient.driver, 1, 3_600_000);
  patient.client.die();
  for (let second = 0; second < 40; second += 1) {
    await on.clock.advance(1_000);
    await take(living.driver);
  }
  await hasty.driver.push([item("short")]);
  expect(idsOf(await take(hasty.driver, 1, 1_000))).toEqual(["short"]);
  hasty.client.die();
  let failures = 1;
  living.client.onList = (prefix) => {
    if (!prefix.startsWith("jobs/p.") || failures === 0) return;
    failures -= 1;
    throw gone();
  };
  let came: readonly string[] = [];
  for (let second = 0; second < 60 && came.length === 0; second += 1) {
    await on.clock.advance(1_000);
    came = idsOf(await take(living.driver).catch(() => []));
  }
  expect([came, failures]).toEqual([["short"], 0]);
});

test("a delayed job that is pushed while upkeep lists the buckets is not forgotten", async () => {
  const on = stage();
  const { driver, client } = await on.join();
  await driver.push([item("first", { queue: "other" })]);
  const { list } = client;
  let isPushed = false;
  client.list = async (prefix, options) => {
    const listed = await list(prefix, options);
    if (isPushed || prefix !== "jobs/d/") return listed;
    isPushed = true;
    await driver.push([item("late", { delayMs: 2_000 })]);
    // Its watch tells of it, too, before the listing is read.
    await new Promise((resolve) => setImmediate(resolve));
    return listed;
  };
  await driver.maintain({ max: 100 });
  expect(isPushed).toBe(true);
  await on.clock.advance(3_000);
  expect(idsOf(await take(driver))).toEqual(["late"]);
});

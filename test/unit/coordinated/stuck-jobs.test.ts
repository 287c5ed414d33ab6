/** Servers whose limits were lowered since a job was stored: each step makes a job some bytes longer, so they do not take it back. It stays, and holds up no other. */
import { expect, test } from "vitest";
import type { CoordinationWrite } from "../../../src/contract/index.ts";
import { JobferryError } from "../../../src/errors/index.ts";
import { idsOf, item, type Member, puts, stage, take } from "./stage.ts";

const LARGE = 15_000;

function sizeOf(writes: readonly CoordinationWrite[]): number {
  return writes.reduce((sum, write) => sum + ("put" in write ? write.value.length : 0), 0);
}

/** From now on none of these takes a large job to that place. */
function lower({ client }: Member, place: string): void {
  client.onTransact = async (writes, send) => {
    if (puts(place)(writes) && sizeOf(writes) > LARGE) throw new JobferryError("PAYLOAD_TOO_LARGE", "It takes less.");
    return send();
  };
}

const large = (id: string, more = {}) => item(id, { payload: new Uint8Array(LARGE), ...more });

test("a ready one that cannot be taken: those behind it are, and it is when the servers take more", async () => {
  const on = stage();
  const member = await on.join();
  const { driver, client } = member;
  await driver.push([large("large"), item("small"), item("smaller")]);
  lower(member, "jobs/p");
  expect(idsOf(await take(driver))).toEqual(["small"]);
  expect(idsOf(await take(driver, 5))).toEqual(["smaller"]);
  expect(await take(driver, 5)).toEqual([]);
  client.heal();
  await on.clock.advance("31s");
  expect(idsOf(await take(driver))).toContain("large");
});

test("a delayed one that cannot become ready: others do, also of its bucket, and it does when the servers take more", async () => {
  const on = stage();
  const member = await on.join();
  const { driver, client } = member;
  await driver.push([large("large", { delayMs: 1_000 }), item("small", { delayMs: 1_001 }), item("now")]);
  lower(member, "jobs/r");
  await on.clock.advance(2_000);
  expect(idsOf(await take(driver, 5, 600_000)).toSorted()).toEqual(["now", "small"]);
  await expect(driver.maintain({ max: 100 })).resolves.toMatchObject({ promoted: 0 });
  client.heal();
  await on.clock.advance("31s");
  expect(idsOf(await take(driver))).toEqual(["large"]);
});

test("one whose lease ran out and that cannot go back: its holder may still end it, and no other waits", async () => {
  const on = stage();
  const member = await on.join();
  const { driver } = member;
  await driver.push([large("large"), item("small")]);
  const held = await take(driver, 2, 1_000);
  expect(held).toHaveLength(2);
  lower(member, "jobs/r");
  await on.clock.advance(5_000);
  expect(idsOf(await take(driver, 5))).toEqual(["small"]);
  const [first] = held;
  if (first === undefined) throw new Error("nothing was taken");
  expect(await driver.finish([{ reservation: first, outcome: "done" }])).toEqual(["ok"]);
  expect(await driver.stats()).toMatchObject({ reserved: 1, pending: 0 });
});

test("one of a process that died: its other jobs come back, and no queue waits", async () => {
  const on = stage();
  const [one, other] = [await on.join(), await on.join()];
  await one.driver.push([large("large"), item("small")]);
  await take(one.driver, 2, 1_000);
  one.client.die();
  await other.driver.push([item("elsewhere", { queue: "elsewhere" })]);
  lower(other, "jobs/r");
  const taken: string[] = [];
  for (let second = 0; second < 40; second += 1) {
    await on.clock.advance("1s");
    const wanted = { queues: ["elsewhere", "q"], max: 5, leaseMs: 600_000, waitMs: 0 };
    taken.push(...idsOf((await other.driver.reserve(wanted)).reservations));
  }
  expect(taken.toSorted()).toEqual(["elsewhere", "small"]);
  await other.driver.maintain({ max: 100 });
  other.client.heal();
  await on.clock.advance("31s");
  expect(idsOf(await take(other.driver, 5))).toEqual(["large"]);
});

import { expect, test } from "vitest";
import type { CoordinationWrite, Reservation } from "../../../src/contract/index.ts";
import { JobferryError } from "../../../src/errors/index.ts";
import { endsHeld, item, type Member, noAnswer, stage, take } from "./stage.ts";

const done = (reservation: Reservation) => ({ reservation, outcome: "done" }) as const;

async function holding(ids: readonly string[]): Promise<Member & Readonly<{ held: readonly Reservation[] }>> {
  const member = await stage().join();
  await member.driver.push(ids.map((id) => item(id)));
  return { ...member, held: await take(member.driver, ids.length) };
}

const ends = (id: string, writes: readonly CoordinationWrite[]): boolean =>
  writes.some((write) => "delete" in write && write.delete.includes(`/${id}.`));

test("a job that the store does not take keeps those beside it from nothing", async () => {
  const { driver, client, held } = await holding(["a", "b", "c"]);
  client.onTransact = async (writes, send) => {
    if (ends("b", writes)) throw new JobferryError("PAYLOAD_TOO_LARGE", "The value is too large.");
    return send();
  };
  expect(await driver.finish(held.map(done))).toEqual(["ok", "unknown", "ok"]);
  // Alone it can be told, and is held still.
  await expect(driver.finish(held.slice(1, 2).map(done))).rejects.toThrow("The value is too large.");
  client.heal();
  expect(await driver.finish(held.slice(1, 2).map(done))).toEqual(["ok"]);
});

test("what the store refuses for all is told with its reason, after one look, and the jobs are held still", async () => {
  const { driver, client, held } = await holding(["a", "b", "c"]);
  let asked = 0;
  client.onTransact = async () => {
    asked += 1;
    throw new JobferryError("ACCESS_DENIED", "This token may only read.");
  };
  await expect(driver.finish(held.map(done))).rejects.toMatchObject({ code: "ACCESS_DENIED" });
  expect(asked).toBe(1);
  client.heal();
  expect(await driver.finish(held.map(done))).toEqual(["ok", "ok", "ok"]);
});

test("a store that goes away while it is asked why is asked once for many jobs, and they are held still", async () => {
  const { driver, client, held } = await holding(["a", "b", "c", "d"]);
  client.onTransact = async () => {
    throw new JobferryError("PAYLOAD_TOO_LARGE", "The values are too large together.");
  };
  let asked = 0;
  const { get } = client;
  client.get = async () => {
    asked += 1;
    throw new JobferryError("UNAVAILABLE", "The store is away.", { retryable: true });
  };
  await expect(driver.finish(held.map(done))).rejects.toThrow("The store is away.");
  expect(asked).toBe(1);
  client.get = get;
  client.heal();
  expect(await driver.finish(held.map(done))).toEqual(["ok", "ok", "ok", "ok"]);
});

test("a finish that was lost on its way, as the store tells, is sent again", async () => {
  const { driver, client, held } = await holding(["a"]);
  let lost = 0;
  client.onTransact = async (writes, send) => {
    if (!endsHeld(writes) || lost > 0) return send();
    lost += 1;
    throw noAnswer();
  };
  expect(await driver.finish(held.map(done))).toEqual(["ok"]);
  expect(lost).toBe(1);
});

test("the end of the session under a finish that was lost on its way is a lost lease, and nothing unknown", async () => {
  const { join, clock } = stage();
  const { driver, client } = await join({ sessionTtl: "2s" });
  await driver.push([item("a")]);
  const held = await take(driver, 1, 1_000);
  client.onTransact = async (writes, send) => {
    if (!endsHeld(writes)) return send();
    client.heal();
    client.renews = false;
    await clock.advance("3s");
    throw noAnswer();
  };
  expect(await driver.finish(held.map(done))).toEqual(["lost"]);
});

test("a finish that is refused though its job is held says so", async () => {
  const { driver, client, held } = await holding(["a"]);
  // Somebody else writes this process's counter.
  const owner = String(held[0]?.token).split(".")[0] ?? "";
  for (const { key, value } of (await client.list(`jobs/n.${owner}/`)).entries)
    await client.inner.transact([], [{ put: key, value }]);
  await expect(driver.finish(held.map(done))).rejects.toThrow(
    "The store refused 3 times to end job a, though this process holds it",
  );
});

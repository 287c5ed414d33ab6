/** Claims that empty buckets while others put jobs into them or take from them: what order is left, and that nothing is. */
import { expect, test } from "vitest";
import type { CoordinationWrite, Driver } from "../../../src/contract/index.ts";
import { Deferred } from "../../../src/runtime/index.ts";
import {
  EIGHT_A_BUCKET,
  idsOf,
  item,
  type Member,
  meet,
  names,
  prove,
  puts,
  type Stage,
  stage,
  take,
} from "./stage.ts";

const isClaim = puts("/p.");

async function pushEach(driver: Driver, ids: readonly string[]): Promise<void> {
  for (const id of ids) await driver.push([item(id)]);
}

async function takeEach(driver: Driver, max: number): Promise<readonly string[]> {
  const ids: string[] = [];
  for (let got = await take(driver, max); got.length > 0; got = await take(driver, max)) ids.push(...idsOf(got));
  return ids;
}

type Pair = Readonly<{ producer: Member; consumer: Member }>;

async function pairOf(processes: number, all: Stage): Promise<Pair> {
  if (processes === 2) return meet(all, EIGHT_A_BUCKET).then(({ a, b }) => ({ producer: a, consumer: b }));
  const only = await all.join({}, EIGHT_A_BUCKET);
  return { producer: only, consumer: only };
}

/**
 * Of a bucket of eight seven are there, and four of the next one; the eighth is on its way, and is put there `when` the claim that takes the others away with
 * their marker.
 */
async function claimBesideLate(
  { producer, consumer }: Pair,
  when: "before" | "after",
): Promise<Readonly<{ ids: readonly string[]; claims: readonly (readonly CoordinationWrite[])[] }>> {
  const late = new Deferred();
  let eighth: Promise<unknown> | undefined;
  const letGo = async (): Promise<void> => {
    late.resolve();
    await eighth;
  };
  const claims: (readonly CoordinationWrite[])[] = [];
  const handle: Member["client"]["onTransact"] = async (writes, send) => {
    if (puts("/i/job-08")(writes)) await late.promise;
    if (!isClaim(writes)) return send();
    claims.push(writes);
    if (when === "before") await letGo();
    const result = await send();
    await letGo();
    return result;
  };
  await pushEach(producer.driver, names(1, 7));
  for (const { client } of [producer, consumer]) client.onTransact = handle;
  eighth = producer.driver.push([item("job-08")]);
  await pushEach(producer.driver, names(9, 12));
  const ids = await takeEach(consumer.driver, 20);
  for (const { client } of [producer, consumer]) client.heal();
  return { ids, claims };
}

const CASES = [
  ["in one process", 1, "before"],
  ["in one process", 1, "after"],
  ["in two", 2, "before"],
  ["in two", 2, "after"],
] as const;

test.each(CASES)(
  "jobs come in the order of their pushes %s (%i), also one that was put %s its bucket was emptied",
  async (_, processes, when) => {
    const pair = await pairOf(processes, stage());
    await prove(pair.producer.driver, pair.consumer.driver);
    const { ids } = await claimBesideLate(pair, when);
    expect(ids).toEqual([...names(1, 7), ...names(9, 12), "job-08"]);
    // Nobody has spoiled a claim, so the next ones take no other places.
    await pushEach(pair.producer.driver, names(13, 60));
    expect(await takeEach(pair.consumer.driver, 3)).toEqual(names(13, 60));
  },
);

test("a marker goes with the last jobs of its bucket once another one was begun, in no transaction of its own", async () => {
  const { driver, client } = await stage().join({}, EIGHT_A_BUCKET);
  await driver.push(names(1, 18).map((id) => item(id)));
  const markers = async (): Promise<readonly string[]> => {
    const { entries } = await client.inner.list("jobs/r/");
    return entries.map(({ key }) => key);
  };
  const [, , newest] = await markers();
  const sent: (readonly CoordinationWrite[])[] = [];
  client.onTransact = async (writes, send) => {
    sent.push(writes);
    return send();
  };
  expect(idsOf(await take(driver, 18))).toEqual(names(1, 18));
  expect(sent).toHaveLength(3);
  expect(sent.every(isClaim)).toBe(true);
  expect(await markers()).toEqual([newest]);
});

test("two processes that meet take every job once", async () => {
  const { a, b } = await meet(stage(), EIGHT_A_BUCKET);
  const ids = names(10, 99);
  await a.driver.push(ids.map((id) => item(id)));
  let spoiled = 0;
  for (const { client } of [a, b]) {
    client.onTransact = async (_, send) => {
      const result = await send();
      if (!result.ok) spoiled += 1;
      return result;
    };
  }
  const taken: string[] = [];
  for (let round = 0; round < 60 && taken.length < ids.length; round += 1) {
    for (const got of await Promise.all([take(a.driver, 4), take(b.driver, 4)])) taken.push(...idsOf(got));
  }
  expect(taken.toSorted()).toEqual(ids);
  expect(spoiled).toBeGreaterThan(0);
});

const BOUND = 2_000;

test("jobs that fall to a process that never claims are given out, however many others come and whoever spoils claims", async () => {
  const { a } = await meet(stage(), EIGHT_A_BUCKET);
  const left = new Set(names(1, 96));
  await a.driver.push([...left].map((id) => item(id)));
  let claims = 0;
  a.client.onTransact = async (writes, send) => {
    if (!isClaim(writes)) return send();
    claims += 1;
    // Two in a row: one alone may have met a job that came.
    return claims % 6 < 2 ? { ok: false } : send();
  };
  for (let turn = 0; turn < BOUND && left.size > 0; turn += 1) {
    const got = await take(a.driver, 8);
    await a.driver.finish(got.map((reservation) => ({ reservation, outcome: "done" })));
    for (const id of idsOf(got)) left.delete(id);
    await a.driver.push(got.map((_, index) => item(`later-${turn}-${index}`)));
  }
  expect([...left]).toEqual([]);
});

/** One claim in several transactions that are under way at once. */
import { expect, test } from "vitest";
import { JobferryError } from "../../../src/errors/index.ts";
import { Deferred } from "../../../src/runtime/index.ts";
import { type Client, EIGHT_A_BUCKET, endsHeld, idsOf, item, meet, names, noAnswer, prove, puts } from "./stage.ts";
import { stage, take, writesTo } from "./stage.ts";

const MOST_AT_ONCE = 4;
const isClaim = puts("/p.");

/** How many transactions that `concern` were under way at once at most, and how many there were. */
function counted(client: Client, concern: typeof isClaim): Readonly<{ most: () => number; all: () => number }> {
  let [open, most, all] = [0, 0, 0];
  client.onTransact = async (writes, send) => {
    if (!concern(writes)) return send();
    [open, all] = [open + 1, all + 1];
    most = Math.max(most, open);
    for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
    return send().finally(() => (open -= 1));
  };
  return { most: () => most, all: () => all };
}

test("a claim that was lost while another was settled comes back, too", async () => {
  const { join, clock } = stage();
  const { driver, client } = await join({}, EIGHT_A_BUCKET);
  await driver.push(names(1, 16).map((id) => item(id)));
  const { get } = client;
  const [second, settled] = [new Deferred(), new Deferred()];
  let claims = 0;
  client.onTransact = async (writes, send) => {
    if (!isClaim(writes)) return send();
    claims += 1;
    if (claims > 1) await second.promise.then(send);
    throw noAnswer();
  };
  client.get = async (key) => {
    if (key.includes("/n.")) throw noAnswer();
    return get(key);
  };
  const claim = take(driver, 16).catch(() => "no answer");
  await clock.advance(0);
  // Only the counter of the first transaction answers from now on, and late.
  client.get = async (key) => {
    if (key.endsWith(".1")) throw noAnswer();
    if (key.endsWith(".0")) await settled.promise;
    return get(key);
  };
  const maintained = driver.maintain({ max: 100 });
  await clock.advance(0);
  second.resolve();
  expect([await claim, claims]).toEqual(["no answer", 2]);
  settled.resolve();
  await maintained;
  client.heal();
  client.get = get;
  await driver.maintain({ max: 100 });
  expect(await driver.stats("q")).toMatchObject({ pending: 16, reserved: 0 });
  expect(idsOf(await take(driver, 16)).toSorted()).toEqual(names(1, 16));
});

test("less urgent jobs do not come first where somebody else took one of the urgent ones meanwhile", async () => {
  const all = stage();
  const { a: mine, b: other } = await meet(all, EIGHT_A_BUCKET);
  await prove(mine.driver, mine.driver);
  const high = names(1, 8).map((id) => item(id, { priority: 5 }));
  await mine.driver.push([...high, ...names(9, 16).map((id) => item(id))]);
  let first: readonly string[] | undefined;
  mine.client.onTransact = async (writes, send) => {
    if (!isClaim(writes) || first !== undefined) return send();
    first = [];
    first = idsOf(await take(other.driver));
    return send();
  };
  const taken = await take(mine.driver, 12);
  expect(first).toEqual(["job-01"]);
  expect(taken.map(({ job }) => job.priority)).toEqual([5, 5, 5, 5, 5, 5, 5, 0, 0, 0, 0, 0]);
});

test.each([
  ["many jobs", {}, EIGHT_A_BUCKET],
  ["large ones", { payload: new Uint8Array(60_000) }, { transactionBytes: 200_000 }],
])("a claim of %s has at most four transactions under way at once, and so have their ends", async (_, more, limits) => {
  const { driver, client } = await stage().join({}, limits);
  await driver.push(names(1, 48).map((id) => item(id, more)));
  const claims = counted(client, isClaim);
  const taken = await take(driver, 48);
  expect(idsOf(taken)).toEqual(names(1, 48));
  expect(claims.all()).toBeGreaterThan(MOST_AT_ONCE);
  expect(claims.most()).toBe(MOST_AT_ONCE);
  const ends = counted(client, endsHeld);
  const given = { outcome: "release", delayMs: 0, threw: false } as const;
  const results = await driver.finish(taken.map((reservation) => ({ reservation, ...given })));
  expect(new Set(results)).toEqual(new Set(["ok"]));
  expect(ends.all()).toBeGreaterThan(MOST_AT_ONCE);
  expect(ends.most()).toBe(MOST_AT_ONCE);
});

test.each([["refused", new JobferryError("STORE_FULL", "There is no room.")] as const, ["lost", noAnswer()] as const])(
  "a claim of which one transaction is %s gives out what the others took",
  async (_, error) => {
    const { driver, client } = await stage().join({}, EIGHT_A_BUCKET);
    await driver.push(names(1, 24).map((id) => item(id)));
    const isSecond = writesTo("/job-09.");
    client.onTransact = async (writes, send) => {
      if (isClaim(writes) && isSecond(writes)) throw error;
      return send();
    };
    const taken = await take(driver, 24);
    expect(idsOf(taken)).toEqual([...names(1, 8), ...names(17, 24)]);
    client.heal();
    expect(idsOf(await take(driver, 24))).toEqual(names(9, 16));
    const results = await driver.finish(taken.map((reservation) => ({ reservation, outcome: "done" })));
    expect(new Set(results)).toEqual(new Set(["ok"]));
  },
);

import { expect, test } from "vitest";
import { idsOf, item, stage, take, takeOne } from "./stage.ts";

/** Lets time pass in small steps, and looks after each. @returns when the job came, by the clock. */
async function comesBackAt(
  { clock }: ReturnType<typeof stage>,
  driver: Parameters<typeof take>[0],
  withinMs: number,
): Promise<number> {
  const until = clock.monotonic() + withinMs;
  while (clock.monotonic() < until) {
    await clock.advance(100);
    if (idsOf(await take(driver)).length > 0) return clock.monotonic();
  }
  return Infinity;
}

test("a lease lasts its time also where whoever takes the job back has sessions of another length", async () => {
  const on = stage();
  const dead = await on.join({ sessionTtl: "10s" });
  const other = await on.join({ sessionTtl: "2m" });
  await dead.driver.push([item("a")]);
  // The session was renewed some time ago, as late as a claim allows.
  await on.clock.advance("4900ms");
  const claimedAt = on.clock.monotonic();
  await takeOne(dead.driver, 60_000);
  dead.client.die();
  const backAt = await comesBackAt(on, other.driver, 120_000);
  expect(backAt).toBeGreaterThanOrEqual(claimedAt + 60_000);
  expect(backAt).toBeLessThanOrEqual(claimedAt + 60_000 + 10_000);
});

test.each([true, false])(
  "a session that the store ended early (and tells that it may: %s): the lease lasts its time only where it is told",
  async (mayEndEarly) => {
    const on = stage();
    const [one, other] = [await on.join(), await on.join()];
    other.client.mayEndEarly = mayEndEarly;
    await one.driver.push([item("a")]);
    const claimedAt = on.clock.monotonic();
    await takeOne(one.driver, 30_000);
    // Just renewed, and ended by somebody else: what a stopped leader of etcd does when it goes on.
    const { entries } = await one.client.inner.list("jobs/o/");
    const [holder] = entries;
    if (holder === undefined) throw new Error("nobody lives");
    one.client.cut();
    await one.client.inner.transact([], [{ delete: holder.key }]);
    const backAt = await comesBackAt(on, other.driver, 120_000);
    expect(backAt < claimedAt + 30_000).toBe(!mayEndEarly);
  },
);

test("a lease lasts its time also when its holder closes", async () => {
  const on = stage();
  const [one, other] = [await on.join(), await on.join()];
  await one.driver.push([item("a")]);
  const claimedAt = on.clock.monotonic();
  await takeOne(one.driver, 10_000);
  await one.driver.close();
  const backAt = await comesBackAt(on, other.driver, 60_000);
  expect(backAt).toBeGreaterThanOrEqual(claimedAt + 10_000);
  expect(backAt).toBeLessThanOrEqual(claimedAt + 10_000 + 15_500);
});

test("who holds nothing leaves at once when it closes", async () => {
  const { join } = stage();
  const [one, other] = [await join(), await join()];
  const alive = async (): Promise<number> => (await other.client.inner.list("jobs/o/")).entries.length;
  expect(await alive()).toBe(2);
  await one.driver.close();
  expect(await alive()).toBe(1);
});

test("a claim that looked around for long counts its lease from a session that was renewed lately", async () => {
  const on = stage();
  const [one, other] = [await on.join(), await on.join()];
  await other.driver.push([item("a")]);
  one.client.renews = false;
  one.client.onList = async (prefix) => {
    if (prefix.includes("/r.")) await on.clock.advance(6_000);
  };
  await expect(take(one.driver)).rejects.toMatchObject({ code: "UNAVAILABLE" });
});

test("what a dead process holds for long is not listed at every claim", async () => {
  const on = stage();
  const [dead, other] = [await on.join(), await on.join()];
  await dead.driver.push([item("a")]);
  await takeOne(dead.driver, 3_600_000);
  dead.client.die();
  await on.clock.advance("1m");
  let listed = 0;
  other.client.onList = (prefix) => {
    if (prefix.includes("/p.")) listed += 1;
  };
  for (let claim = 0; claim < 20; claim += 1) await take(other.driver);
  expect(listed).toBeLessThanOrEqual(1);
  await on.clock.advance("1h");
  expect(idsOf(await take(other.driver))).toEqual(["a"]);
});

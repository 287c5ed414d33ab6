import { expect, test } from "vitest";
import { Deferred } from "../../../src/runtime/index.ts";
import { idsOf, item, puts, stage, take } from "./stage.ts";

test("a delayed job is not late because another transaction with the same bucket was slower", async () => {
  const { clock, join } = stage();
  const [one, other] = [await join(), await join()];
  const [reached, waits] = [new Deferred(), new Deferred()];
  let isFirst = true;
  one.client.onTransact = async (writes, send) => {
    if (puts("/d.")(writes) && isFirst) {
      isFirst = false;
      reached.resolve();
      await waits.promise;
    }
    return send();
  };
  // About an hour ahead, where jobs of 524 s share a bucket.
  const start = Math.ceil((clock.now() + 3_600_000) / 2 ** 19) * 2 ** 19;
  const later = one.driver.push([item("later", { queue: "other", runAt: start + 240_000 })]);
  await reached.promise;
  await one.driver.push([item("sooner", { runAt: start + 5_000 })]);
  waits.resolve();
  await later;
  await one.driver.close();
  await clock.advance(start - clock.now() + 4_000);
  expect(await take(other.driver)).toEqual([]);
  await clock.advance(2_000);
  expect(idsOf(await take(other.driver))).toEqual(["sooner"]);
});

test("jobs of one push share a bucket, whatever the order of their times", async () => {
  const { clock, join } = stage();
  const { driver, client } = await join();
  const at = clock.now() + 3_600_000;
  const items = Array.from({ length: 20 }, (_, index) => item(`job-${index}`, { runAt: at + 1_000 * (20 - index) }));
  expect(await driver.push(items)).toEqual(items.map(() => ({ status: "stored" })));
  const { entries } = await client.inner.list("jobs/d/");
  expect(entries.length).toBeLessThanOrEqual(2);
});

import { expect, test } from "vitest";
import { createJob } from "../../../src/core/index.ts";
import { during, stage } from "./stage.ts";

const NOTHING = { promoted: 0, recovered: 0, pruned: 0, died: [], nextDueInMs: undefined };

test.each(["promoted", "recovered", "pruned"] as const)(
  "upkeep goes on in portions until a portion is not full: %s",
  async (what) => {
    const { driver, clock, worker, end } = stage();
    let [left, calls] = [5_500, 0];
    driver.onMaintain = async () => {
      calls += 1;
      const done = Math.min(left, 1_000);
      left -= done;
      return { ...NOTHING, [what]: done };
    };
    const one = worker(async () => 1);
    await one.start();
    await clock.advance("16s");
    expect(left).toBe(0);
    expect(calls).toBe(6);
    await end(one);
  },
);

test("completed jobs beyond their age go in one round of upkeep, however many", async () => {
  const { queue, clock, worker, end } = stage({}, { keepCompleted: { age: "1m" } });
  await queue.pushBatch(Array.from({ length: 3_500 }, (_, i) => createJob(i)));
  const jobs = await queue.popBatch(3_500);
  await Promise.all(jobs.map((job) => job.complete()));
  await clock.advance("2m");
  const one = worker(async () => 1);
  await one.start();
  await clock.advance("16s");
  expect((await queue.records.list({ state: "completed" })).jobs).toHaveLength(0);
  await end(one);
});

test("while the store is away upkeep waits for its next turn, and a stop does not wait for it", async () => {
  const { driver, clock, worker, heard, end } = stage();
  let calls = 0;
  driver.onMaintain = async () => {
    calls += 1;
    throw new Error("away");
  };
  const one = worker(async () => 1);
  await one.start();
  await clock.advance("1m");
  expect(calls).toBeGreaterThanOrEqual(2);
  expect(calls).toBeLessThanOrEqual(6);
  expect(heard).toContain("error UNAVAILABLE");
  driver.onMaintain = undefined;
  await during(clock, end(one));
});

import { expect, test } from "vitest";
import { Repetitions } from "../../../src/runtime/index.ts";
import { virtualClock } from "../../../src/testing/virtual-clock.ts";

test("a text is said at once, then ever less often with its count, and at once again after a silence", async () => {
  const clock = virtualClock();
  const repetitions = new Repetitions(clock);
  const said: string[] = [];
  const second = async (text: string): Promise<void> => {
    const line = repetitions.next(text);
    if (line !== undefined) said.push(`${clock.monotonic() / 1_000}: ${line}`);
    await clock.advance("1s");
  };
  const begin = clock.monotonic() / 1_000;
  for (let n = 0; n <= 70; n += 1) await second("away");
  expect(said).toEqual([
    `${begin}: away`,
    `${begin + 10}: away (10 times within 10 s)`,
    `${begin + 30}: away (20 times within 20 s)`,
    `${begin + 70}: away (40 times within 40 s)`,
  ]);
  said.length = 0;
  await second("other");
  await clock.advance("2m");
  await second("away");
  expect(said).toEqual([`${begin + 71}: other`, `${begin + 192}: away`]);
});

test("it comes at least every ten minutes, and at most a hundred texts are remembered", async () => {
  const clock = virtualClock();
  const repetitions = new Repetitions(clock);
  const saidAt: number[] = [];
  for (let second = 0; second < 3_600; second += 5) {
    if (repetitions.next("away") !== undefined) saidAt.push(second);
    await clock.advance("5s");
  }
  expect(saidAt).toEqual([0, 10, 30, 70, 150, 310, 630, 1_230, 1_830, 2_430, 3_030]);
  for (let n = 0; n < 100; n += 1) expect(repetitions.next(`text ${n}`)).toBeDefined();
  expect(repetitions.next("text 0")).toBeUndefined();
  expect(repetitions.next("text 100")).toBeDefined();
  expect(repetitions.next("text 0")).toBeDefined();
});

test("what comes at longer intervals than the first pause is thinned out too", async () => {
  const clock = virtualClock();
  const repetitions = new Repetitions(clock);
  const saidAt: number[] = [];
  for (let second = 0; second < 600; second += 15) {
    if (repetitions.next("away") !== undefined) saidAt.push(second);
    await clock.advance("15s");
  }
  expect(saidAt).toEqual([0, 15, 45, 90, 180, 345]);
});

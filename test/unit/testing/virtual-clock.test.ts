import { setImmediate as nextImmediate } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { sleep } from "../../../src/runtime/index.ts";
import { virtualClock } from "../../../src/testing/virtual-clock.ts";

describe("a virtual clock", () => {
  test("stands still until it is told to go on", async () => {
    const clock = virtualClock({ now: 1_000 });
    await nextImmediate();
    expect([clock.now(), clock.monotonic()]).toEqual([1_000, 0]);
    await clock.advance("5m");
    expect([clock.now(), clock.monotonic()]).toEqual([301_000, 300_000]);
  });

  test("fires timers in the order of their times, those of one time in the order in which they were armed", async () => {
    const clock = virtualClock();
    const fired: string[] = [];
    for (const [name, delay] of [
      ["c", 30],
      ["a", 10],
      ["b1", 20],
      ["b2", 20],
      ["never", 31],
    ] as const) {
      clock.timer(delay, () => void fired.push(`${name} at ${clock.monotonic()}`));
    }
    await clock.advance(30);
    expect(fired).toEqual(["a at 10", "b1 at 20", "b2 at 20", "c at 30"]);
    expect(clock.armed).toBe(1);
  });

  test("lets promises and immediates go on between timers, so that what they arm fires in its time", async () => {
    const clock = virtualClock();
    const slept: number[] = [];
    const run = (async () => {
      for (let round = 0; round < 5; round += 1) {
        await sleep(clock, 10);
        await nextImmediate();
        slept.push(clock.monotonic());
      }
    })();
    await clock.advance(50);
    await run;
    expect(slept).toEqual([10, 20, 30, 40, 50]);
  });

  test("a cancelled timer does not fire, and cancelling twice or too late does nothing", async () => {
    const clock = virtualClock();
    let fired = 0;
    const kept = clock.timer(10, () => (fired += 1));
    const cancelled = clock.timer(10, () => (fired += 10));
    cancelled.cancel();
    cancelled.cancel();
    await clock.advance(10);
    kept.cancel();
    expect([fired, clock.armed]).toEqual([1, 0]);
  });

  test("a step of the wall clock moves neither monotonic time nor timers", async () => {
    const clock = virtualClock({ now: 1_000_000 });
    let firedAt = 0;
    clock.timer(100, () => (firedAt = clock.monotonic()));
    clock.setWallClock(500);
    expect([clock.now(), clock.monotonic()]).toEqual([500, 0]);
    await clock.advance(100);
    expect([clock.now(), firedAt]).toEqual([600, 100]);
  });

  test("advances that are asked for at once go one after the other", async () => {
    const clock = virtualClock();
    await Promise.all([clock.advance(10), clock.advance(10)]);
    expect(clock.monotonic()).toBe(20);
  });

  test("an error of a callback is passed on, and the clock still goes", async () => {
    const clock = virtualClock();
    clock.timer(5, () => {
      throw new Error("of the callback");
    });
    await expect(clock.advance(10)).rejects.toThrow("of the callback");
    await clock.advance(10);
    expect(clock.monotonic()).toBe(15);
  });

  test("the same seed gives the same numbers, from 0 to below 1", () => {
    const [one, same, other] = [virtualClock({ seed: 7 }), virtualClock({ seed: 7 }), virtualClock({ seed: 8 })];
    const numbers = Array.from({ length: 1_000 }, () => one.random());
    expect(Array.from({ length: 1_000 }, () => same.random())).toEqual(numbers);
    expect(other.random()).not.toBe(numbers[0]);
    expect(numbers.every((number) => number >= 0 && number < 1)).toBe(true);
    expect(numbers.reduce((sum, number) => sum + number, 0) / 1_000).toBeCloseTo(0.5, 1);
  });

  test("refuses what is no duration", () => {
    const clock = virtualClock();
    expect(() => clock.advance(-1)).toThrow("advance");
    expect(() => clock.timer(Number.POSITIVE_INFINITY, () => undefined)).toThrow("delayMs");
  });
});

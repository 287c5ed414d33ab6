import { expect, test, vi } from "vitest";
import { settledWithin, sleep, stderrLogger, systemClock } from "../../../src/runtime/index.ts";
import { virtualClock } from "../../../src/testing/virtual-clock.ts";

test("sleep ends with the time, or at once with the signal, and leaves no timer or listener", async () => {
  const clock = virtualClock();
  const stop = new AbortController();
  const long = sleep(clock, 1_000, stop.signal);
  const short = sleep(clock, 10);
  expect(clock.armed).toBe(2);
  await clock.advance(10);
  expect(await short).toBe("elapsed");
  stop.abort();
  expect(await long).toBe("aborted");
  expect(clock.armed).toBe(0);
  expect(await sleep(clock, 1_000, stop.signal)).toBe("aborted");
  expect(clock.armed).toBe(0);
});

test("settledWithin waits for either, whatever the end, and cancels its timer", async () => {
  const clock = virtualClock();
  expect(await settledWithin(clock, Promise.resolve(1), 1_000)).toBe(true);
  expect(await settledWithin(clock, Promise.reject(new Error("x")), 1_000)).toBe(true);
  expect(clock.armed).toBe(0);
  const never = settledWithin(clock, new Promise(() => undefined), 1_000);
  await clock.advance(1_000);
  expect(await never).toBe(false);
});

test("the system clock's timer takes lengths beyond the platform's and can be cancelled twice", () => {
  vi.useFakeTimers();
  try {
    const fired = vi.fn<() => void>();
    const days = 40 * 86_400_000; // more than 2^31 - 1 ms
    const timer = systemClock.timer(days, fired);
    vi.advanceTimersByTime(days - 1);
    expect(fired).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(fired).toHaveBeenCalledTimes(1);
    timer.cancel();
    const cancelled = systemClock.timer(5, fired);
    cancelled.cancel();
    cancelled.cancel();
    vi.advanceTimersByTime(10);
    expect(fired).toHaveBeenCalledTimes(1);
  } finally {
    vi.useRealTimers();
  }
});

test("the default logger writes warnings and errors, and never throws", () => {
  const lines: string[] = [];
  const write = vi.spyOn(process.stderr, "write").mockImplementation((text) => lines.push(String(text)) > 0);
  try {
    const cyclic: Record<string, unknown> = {};
    cyclic["self"] = cyclic;
    stderrLogger.debug({}, "d");
    stderrLogger.info({}, "i");
    stderrLogger.warn({ code: "X", error: new Error("why"), big: 3n, cyclic }, "w");
    stderrLogger.error({ none: undefined }, "e");
    const odd = Object.assign(new Error("x"), { message: Symbol("odd") });
    stderrLogger.error({ err: odd }, "what a job said: one\nERROR two\u001b[31m");
  } finally {
    write.mockRestore();
  }
  expect(lines).toHaveLength(3);
  expect(lines[0]).toMatch(/WARN jobferry: w code="X" error=why big=/);
  expect(lines[1]).toMatch(/ERROR jobferry: e none=undefined/);
  expect(lines[2]).toMatch(/ERROR jobferry: what a job said: one ERROR two \[31m err=Symbol\(odd\)\n$/);
});

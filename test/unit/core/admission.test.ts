import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test, vi } from "vitest";
import { Admission } from "../../../src/core/admission.ts";
import { virtualClock } from "../../../src/testing/virtual-clock.ts";
import { settle } from "./stage.ts";

const LIMITS = { items: 10, bytes: 100, timeoutMs: 1_000 };

test("lets in what has room, then first come first served", async () => {
  const clock = virtualClock();
  const admission = new Admission(clock, LIMITS);
  expect(admission.enter(8, 10)).toBeUndefined();
  const order: string[] = [];
  const large = admission.enter(5, 10);
  const small = admission.enter(1, 10);
  void large?.admitted.then(() => order.push("large"));
  void small?.admitted.then(() => order.push("small"));
  expect(small, "what comes later does not overtake").toBeDefined();
  admission.leave(2, 5);
  await settle(clock);
  expect(order).toEqual([]);
  admission.leave(6, 5);
  await settle(clock);
  expect(order).toEqual(["large", "small"]);
});

test("counts bytes, too, and lets in what is larger than everything, alone", async () => {
  const clock = virtualClock();
  const admission = new Admission(clock, LIMITS);
  expect(admission.enter(1, 5_000)).toBeUndefined();
  const next = admission.enter(1, 1);
  expect(next).toBeDefined();
  admission.leave(1, 5_000);
  await next?.admitted;
  expect(admission.enter(1, 99)).toBeUndefined();
  expect(admission.enter(1, 1)).toBeDefined();
});

test("whoever withdraws lets those behind it in, where they have room", async () => {
  const clock = virtualClock();
  const admission = new Admission(clock, LIMITS);
  admission.enter(5, 1);
  const large = admission.enter(9, 1);
  const small = admission.enter(2, 1);
  let admitted = false;
  void small?.admitted.then(() => (admitted = true));
  expect(large?.withdraw()).toBe(true);
  expect(large?.withdraw()).toBe(false);
  await settle(clock);
  expect(admitted).toBe(true);
  expect(small?.withdraw(), "it is in").toBe(false);
});

test("drained waits for what is inside and for those who wait", async () => {
  const clock = virtualClock();
  const admission = new Admission(clock, LIMITS);
  await admission.drained();
  admission.enter(10, 1);
  const waiting = admission.enter(10, 1);
  let drained = false;
  void admission.drained().then(() => (drained = true));
  admission.leave(10, 1);
  await waiting?.admitted;
  await settle(clock);
  expect(drained).toBe(false);
  admission.leave(10, 1);
  await settle(clock);
  expect(drained).toBe(true);
});

test("deadlines: each once, in order, with one timer; those that ended in time do not fire", async () => {
  const clock = virtualClock();
  const admission = new Admission(clock, LIMITS);
  const fired: number[] = [];
  const ends: (() => void)[] = [];
  for (let i = 0; i < 5; i += 1) {
    ends.push(admission.watch(() => fired.push(i)));
    await clock.advance(100);
  }
  expect(clock.armed).toBe(1);
  ends[1]?.();
  await clock.advance(500);
  expect(fired).toEqual([0]);
  await clock.advance(1_000);
  expect(fired).toEqual([0, 2, 3, 4]);
  expect(clock.armed).toBe(0);
});

test("a call that ended does not keep its payload alive until its deadline", async () => {
  const clock = virtualClock();
  const admission = new Admission(clock, LIMITS);
  admission.enter(1, 1); // something stays in flight, so that nothing is swept
  let payload: object | undefined = new Uint8Array(1_000_000);
  const reference = new WeakRef(payload);
  const watch = (held: object): (() => void) => admission.watch(() => void held);
  watch(payload)();
  payload = undefined;
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  await new Promise(setImmediate);
  collect();
  expect(reference.deref()).toBeUndefined();
  expect(clock.armed).toBe(1);
});

test("a million calls leave no million tickets, and close ends the timer", () => {
  const clock = virtualClock();
  const admission = new Admission(clock, LIMITS);
  const filter = vi.spyOn(Array.prototype, "filter");
  admission.enter(1, 1);
  try {
    for (let i = 0; i < 20_000; i += 1) admission.watch(() => undefined)();
    const longest = Math.max(...filter.mock.contexts.map((list) => (list as unknown[]).length));
    expect(longest).toBeLessThan(5_000);
  } finally {
    filter.mockRestore();
  }
  admission.close();
  expect(clock.armed).toBe(0);
});

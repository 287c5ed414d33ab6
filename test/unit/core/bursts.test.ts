import { expect, test } from "vitest";
import { Admission } from "../../../src/core/admission.ts";
import { Lane } from "../../../src/core/lane.ts";
import { WaitingLine } from "../../../src/core/waiting-line.ts";
import { virtualClock } from "../../../src/testing/virtual-clock.ts";

const MANY = 20_000;
/** Elements that array methods went over while `run` ran: with a walk a call it would be the square of MANY. */
function walkedFor(run: () => void): number {
  let walked = 0;
  const methods = ["filter", "shift", "splice", "indexOf", "slice"] as const;
  const real = methods.map((name) => Object.getOwnPropertyDescriptor(Array.prototype, name));
  for (const name of methods) {
    const method = Array.prototype[name] as (...parameters: unknown[]) => unknown;
    const counting = function (this: unknown[], ...parameters: unknown[]): unknown {
      walked += this.length;
      return Reflect.apply(method, this, parameters);
    };
    Object.defineProperty(Array.prototype, name, { value: counting, configurable: true, writable: true });
  }
  try {
    run();
  } finally {
    for (const [i, name] of methods.entries()) Object.defineProperty(Array.prototype, name, real[i] ?? {});
  }
  return walked;
}

test("many calls that wait for room and end together cost no more for each than few", () => {
  const admission = new Admission(virtualClock(), { items: 100, bytes: Infinity, timeoutMs: 1_000 });
  const walked = walkedFor(() => {
    const ends = Array.from({ length: MANY }, () => {
      void admission.enter(1, 1);
      return admission.watch(() => undefined);
    });
    for (let i = 0; i < MANY; i += 1) admission.leave(1, 1);
    for (const end of ends) end();
  });
  expect(admission.empty).toBe(true);
  expect(walked / MANY).toBeLessThan(20);
});

test("many calls that withdraw together cost no more for each than few, and none is sent", async () => {
  const admission = new Admission(virtualClock(), { items: 1, bytes: Infinity, timeoutMs: 1_000 });
  void admission.enter(1, 1);
  const waiting = Array.from({ length: MANY }, () => admission.enter(1, 1));
  const sent: number[] = [];
  let land = (): void => undefined;
  const lane = new Lane<number, number>(
    (items) => {
      sent.push(...items);
      return new Promise((resolve) => (land = () => resolve(items)));
    },
    { items: MANY, bytes: Infinity },
  );
  const calls = Array.from({ length: MANY }, (_, i) => lane.add([i], 1));
  const walked = walkedFor(() => {
    for (const one of waiting.toReversed()) one?.withdraw();
    for (const call of calls.slice(1).toReversed()) call.withdraw();
  });
  expect(walked / MANY).toBeLessThan(40);
  land();
  await lane.drained();
  expect(sent).toEqual([0]);
  expect(lane.idle).toBe(true);
});

test("a line serves in order, over gaps and after they were closed", () => {
  const line = new WaitingLine<{ waits: boolean; n: number }>();
  const all = Array.from({ length: 1_000 }, (_, n) => ({ waits: false, n }));
  for (const one of all) line.add(one);
  for (const one of all) if (one.n % 3 !== 0) expect(line.leave(one)).toBe(true);
  expect(line.leave(all[1]!)).toBe(false);
  const served: number[] = [];
  for (let one = line.first(); one !== undefined; one = line.first()) {
    served.push(one.n);
    line.leave(one);
  }
  expect(served).toEqual(all.map(({ n }) => n).filter((n) => n % 3 === 0));
  expect(line.size).toBe(0);
});

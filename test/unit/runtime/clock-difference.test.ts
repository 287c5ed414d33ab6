import { expect, test } from "vitest";
import { clockDifference } from "../../../src/runtime/index.ts";

/** Two views of one time, of which each reading takes a microsecond; `pauses`: how long this process is not run behind the nth reading. */
function clocks(ahead: number, pauses: Readonly<Record<number, number>>): readonly [() => number, () => number] {
  let [time, readings] = [1_000, 0];
  const read = (offset: number): number => {
    const seen = time + offset;
    readings += 1;
    time += 0.001 + (pauses[readings] ?? 0);
    return seen;
  };
  return [() => read(ahead), () => read(0)];
}

test.each([
  ["no pause", {}],
  ["a pause in front of the other clock's second reading", { 2: 7 }],
  ["a pause behind its first", { 1: 4, 4: 12 }],
  ["a pause in all tries but one", Object.fromEntries(Array.from({ length: 27 }, (_, n) => [n + 1, 3]))],
])("how far a clock is ahead is found in spite of %s", (_, pauses) => {
  const [other, own] = clocks(250.5, pauses);
  expect(Math.abs(clockDifference(other, own) - 250.5)).toBeLessThan(0.01);
});

import { expect, test } from "vitest";
import { growthIn } from "./store-size.ts";

const MIB = 1_048_576;
/** So many minutes of a size. */
const hour = (sizeAt: (minute: number) => number | undefined): readonly (number | undefined)[] =>
  Array.from({ length: 61 }, (_, minute) => (minute === 0 ? undefined : sizeAt(minute)));

test.each([
  ["stands still", () => 10 * MIB],
  ["goes up and down between two vacuums", (minute: number) => (minute % 4 === 0 ? 4 : 14) * MIB],
  ["is a sixth larger in the end", (minute: number) => (minute <= 10 ? 17.3 : 20.1) * MIB],
  ["was not there in some minutes", (minute: number) => (minute % 3 === 0 ? undefined : 10 * MIB)],
])("a store that %s is not blamed", (_, sizeAt) => {
  expect(growthIn(hour(sizeAt))).toEqual([]);
});

test.each([
  ["grows all the time", (minute: number) => (10 + minute / 5) * MIB],
  ["is a quarter larger in the end", (minute: number) => (minute < 55 ? 10 : 12.6) * MIB],
  ["goes up and down, higher each time", (minute: number) => (minute % 4 === 0 ? 4 : 14 + minute / 10) * MIB],
])("a store that %s is blamed", (_, sizeAt) => {
  expect(growthIn(hour(sizeAt))).toEqual([expect.stringMatching(/^the store grew from .* MiB up to minute 10 to /)]);
});

test("less than a quarter of an hour says nothing", () => {
  expect(growthIn(hour((minute) => minute * MIB).slice(0, 15))).toEqual([]);
});

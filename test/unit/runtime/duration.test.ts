import { expect, test } from "vitest";
import { isJobferryError } from "../../../src/errors/index.ts";
import { MAX_DURATION_MS, parseDuration } from "../../../src/runtime/index.ts";

test.each([
  [0, 0],
  [1.5, 1.5],
  ["250ms", 250],
  ["5s", 5_000],
  ["2m", 120_000],
  ["1h", 3_600_000],
  ["1.5h", 5_400_000],
  ["3d", 259_200_000],
  [MAX_DURATION_MS, MAX_DURATION_MS],
  ["36500d", MAX_DURATION_MS],
])("%s is %d ms", (value, ms) => expect(parseDuration(value)).toBe(ms));

test.each([
  "",
  "5",
  "s",
  "5 s",
  " 5s",
  "5s\n",
  "-5s",
  "1e3s",
  "5sec",
  "5S",
  "Infinitys",
  `${"9".repeat(400)}d`,
  -1,
  Number.NaN,
  Infinity,
  MAX_DURATION_MS + 1,
  null,
  undefined,
  true,
  {},
  [],
  5n,
])("%o is refused with the field and the limits", (value) => {
  const parse = (): number => parseDuration(value as string, "lease", { min: 0 });
  expect(parse).toThrow(/^lease is .+; it must be milliseconds from 0 to 3153600000000/);
  try {
    parse();
  } catch (error) {
    expect(isJobferryError(error, "INVALID_ARGUMENT")).toBe(true);
  }
});

test("limits are inclusive", () => {
  expect(parseDuration(1, "x", { min: 1, max: 2 })).toBe(1);
  expect(parseDuration(2, "x", { min: 1, max: 2 })).toBe(2);
  expect(() => parseDuration("3ms", "x", { min: 1, max: 2 })).toThrow("milliseconds from 1 to 2");
  expect(() => parseDuration(0, "x", { min: 1 })).toThrow("x is 0");
});

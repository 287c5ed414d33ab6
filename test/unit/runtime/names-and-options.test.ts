import { expect, test } from "vitest";
import { checkInteger, checkName, checkOptions, nearest } from "../../../src/runtime/index.ts";

test.each(["a", "default", "reports.daily", "a/b:c {d}'%", "队列", "😀", "x".repeat(200)])(
  "name %s is taken",
  (name) => {
    expect(checkName("queue", name)).toBe(name);
    expect(checkName("queue", name)).toBe(name); // from the cache, too
  },
);

test.each(["", " a", "a ", "a\n", "a\0b", "\u007f", "x".repeat(201), "a\ud800", 3, undefined, null, {}])(
  "name %o is refused",
  (name) => expect(() => checkName("queue", name)).toThrow(/^queue is .+; it must be a name of 1 to 200 characters/),
);

test("more names than are remembered are still checked", () => {
  for (let i = 0; i < 1_500; i += 1) expect(checkName("queue", `tenant-${i}`)).toBe(`tenant-${i}`);
  expect(() => checkName("queue", "tenant-1501 ")).toThrow("queue is");
});

test("an unknown option is refused, with the nearest known one", () => {
  const known = ["maxAttempts", "backoff", "timeout"];
  expect(() => checkOptions("worker", { maxAttemps: 3 }, known)).toThrow(
    'worker has no option "maxAttemps". Did you mean "maxAttempts"?',
  );
  expect(() => checkOptions("worker", { zzzzzzzzz: 3 }, known)).toThrow("Known: maxAttempts, backoff, timeout.");
  expect(() => checkOptions("worker", "fast" as unknown as object, known)).toThrow('worker options is "fast"');
  expect(() => checkOptions("worker", null as unknown as object, known)).toThrow("worker options is null");
  checkOptions("worker", undefined, known);
  checkOptions("worker", { timeout: undefined }, known);
});

test("nearest: close words only, any case", () => {
  expect(nearest("QUEU", ["queue", "name"])).toBe("queue");
  expect(nearest("postgre", ["mysql", "postgres"])).toBe("postgres");
  expect(nearest("kafka", ["mysql", "postgres"])).toBeUndefined();
  expect(nearest("x", [])).toBeUndefined();
});

test.each([[0], [11], [1.5], [Number.NaN], [Infinity], ["3"], [3n], [undefined]])("integer %o is refused", (value) => {
  expect(() => checkInteger("max", value, 1, 10)).toThrow(/^max is .+; it must be an integer from 1 to 10\.$/);
});

test("integers inside the limits", () => {
  expect(checkInteger("max", 1, 1, 10)).toBe(1);
  expect(checkInteger("max", 10, 1, 10)).toBe(10);
});

import { expect, test } from "vitest";
import {
  errorFrom,
  failureFrom,
  isJobferryError,
  JobferryError,
  LeaseLostError,
  PermanentError,
} from "../../../src/errors/index.ts";

test("an error keeps name, message and stack; its code is HANDLER_FAILED unless told", () => {
  const error = new TypeError("no");
  expect(failureFrom(error)).toEqual({ code: "HANDLER_FAILED", name: "TypeError", message: "no", stack: error.stack });
  expect(failureFrom(error, "WORKER_DIED").code).toBe("WORKER_DIED");
  expect(failureFrom(new LeaseLostError("x"), "WORKER_DIED").code).toBe("LEASE_LOST");
});

test("a PermanentError around another error tells that one", () => {
  const inner = new JobferryError("PAYLOAD_INVALID", "bad");
  expect(failureFrom(PermanentError.from(inner))).toMatchObject({ code: "PAYLOAD_INVALID", message: "bad" });
  expect(failureFrom(new PermanentError("my own"))).toMatchObject({ name: "PermanentError", message: "my own" });
});

const cyclic: Record<string, unknown> = {};
cyclic["self"] = cyclic;
const throwing = {
  get message(): string {
    throw new Error("getter");
  },
};

test.each([
  ["text", "text"],
  [undefined, "undefined"],
  [null, "null"],
  [42, "42"],
  [10n, "10n"],
  [{ why: "because" }, '{"why":"because"}'],
  [cyclic, "a value that cannot be shown"],
])("whatever is thrown has a message: %o", (thrown, message) => {
  expect(failureFrom(thrown)).toMatchObject({ code: "HANDLER_FAILED", name: "Error", message });
});

test("a getter that throws does not get through", () => {
  expect(failureFrom(throwing)).toMatchObject({ code: "HANDLER_FAILED", message: "a value that cannot be shown" });
});

test("is bounded: message, name and stack", () => {
  const error = new Error("m".repeat(10_000));
  error.name = "n".repeat(10_000);
  error.stack = "s".repeat(100_000);
  const failure = failureFrom(error);
  expect(failure.message).toBe(`${"m".repeat(4_000)}… (6000 characters cut)`);
  expect(failure.name.length).toBeLessThan(250);
  expect(failure.stack?.length).toBeLessThan(16_100);
});

test("is text that every store takes: no lone surrogate, also where it was cut, and no NUL", () => {
  const failure = failureFrom(new Error(`${"x".repeat(3_999)}😀 and more`));
  expect(failure.message.isWellFormed()).toBe(true);
  expect(failureFrom(new Error("a\ud800b\0c")).message).toBe("a\ufffdb\ufffdc");
});

test("errorFrom gives an Error of the same kind", () => {
  const back = errorFrom(failureFrom(new RangeError("too far")));
  expect(back).toMatchObject({ name: "RangeError", message: "too far" });
  expect(isJobferryError(back)).toBe(false);
  const lost = errorFrom(failureFrom(new LeaseLostError("gone")));
  expect(isJobferryError(lost, "LEASE_LOST")).toBe(true);
  const newer = errorFrom({ code: "FROM_THE_FUTURE", name: "X", message: "m", stack: undefined });
  expect(newer).toMatchObject({ code: "FROM_THE_FUTURE", message: "m" });
});

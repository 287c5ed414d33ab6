import { inspect } from "node:util";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import {
  describeValue,
  invalidArgument,
  isJobferryError,
  isPermanent,
  JobferryError,
  LeaseLostError,
  PermanentError,
  UnsupportedError,
} from "../../../src/errors/index.ts";

test("carries code, cause and retryable, and is an Error", () => {
  const cause = new Error("socket closed");
  const error = new JobferryError("UNAVAILABLE", "Try again.", { cause, retryable: true });
  expect(error).toBeInstanceOf(Error);
  expect(error).toMatchObject({ code: "UNAVAILABLE", retryable: true, cause, name: "JobferryError" });
  expect(new JobferryError("CLOSED", "x")).toMatchObject({ retryable: false });
  expect("cause" in new JobferryError("CLOSED", "x")).toBe(false);
  expect("cause" in new JobferryError("CLOSED", "x", { cause: undefined })).toBe(true);
});

test("a printed error shows its code once and no inner marks", () => {
  const text = inspect(new JobferryError("CLOSED", "Make another one."));
  expect(text).toContain("code: 'CLOSED'");
  expect(text).not.toContain("Symbol");
});

test("isJobferryError knows its own, those of another copy, and the code", () => {
  const lost = new LeaseLostError("gone");
  expect(isJobferryError(lost)).toBe(true);
  expect(isJobferryError(lost, "LEASE_LOST")).toBe(true);
  expect(isJobferryError(lost, "CLOSED")).toBe(false);
  const otherCopy: unknown = runInNewContext(
    "const e = new Error('x'); e[Symbol.for('jobferry.error')] = true; e.code = 'CLOSED'; e",
  );
  expect(otherCopy).not.toBeInstanceOf(JobferryError);
  expect(isJobferryError(otherCopy, "CLOSED")).toBe(true);
  expect(isJobferryError({ name: "JobferryError", code: "TIMEOUT", message: "from another process" })).toBe(true);
});

test.each([undefined, null, "CLOSED", 3, {}, new Error("x"), Object.assign(new Error("x"), { code: "CLOSED" })])(
  "isJobferryError refuses %s",
  (value) => expect(isJobferryError(value)).toBe(false),
);

test("an UnsupportedError names the capability", () => {
  expect(new UnsupportedError("delay", "no")).toMatchObject({ code: "UNSUPPORTED", capability: "delay" });
});

test("PermanentError.from marks others' errors once and keeps their words", () => {
  const original = new TypeError("no such user");
  const marked = PermanentError.from(original);
  expect(isPermanent(marked)).toBe(true);
  expect(marked).toMatchObject({ message: "no such user", cause: original });
  expect(PermanentError.from(marked)).toBe(marked);
  expect(PermanentError.from("plain").message).toBe("plain");
  expect(isPermanent(original)).toBe(false);
  expect(isPermanent(undefined)).toBe(false);
});

test.each([
  ["text", '"text"'],
  ["redis://ann:hunter2@host:6379/0?x=1", `"redis://***@host:6379/0?x=1"`],
  ["x".repeat(41), `"${"x".repeat(40)}"…`],
  [3, "3"],
  [3n, "3n"],
  [null, "null"],
  [undefined, "undefined"],
  [Symbol("s"), "Symbol(s)"],
  [[1, 2], "an array of 2"],
  [new Map(), "an object (Map)"],
  [Object.create(null), "an object (no prototype)"],
  [() => 1, "a function"],
])("describeValue(%o)", (value, text) => expect(describeValue(value)).toBe(text));

test("invalidArgument names field, value and what is wanted", () => {
  const error = invalidArgument("lease", -1, "at least 1");
  expect(error).toMatchObject({ code: "INVALID_ARGUMENT", message: "lease is -1; it must be at least 1." });
});

import type { ErrorCode, JobFailure } from "../contract/index.ts";
import { isJobferryError, JobferryError } from "./jobferry-error.ts";
import { isPermanent } from "./permanent-error.ts";

const MAX_MESSAGE = 4_000;
const MAX_STACK = 16_000;

/** Text that every backend can keep: bounded, well-formed (a cut may split a pair) and without NUL, which SQL texts do not take. */
function cut(text: string, max: number): string {
  const bounded = text.length > max ? `${text.slice(0, max)}… (${text.length - max} characters cut)` : text;
  return bounded.toWellFormed().replaceAll("\0", "\ufffd");
}

function textOf(value: unknown, fallback: string): string {
  return typeof value === "string" ? value : fallback;
}

function thrownText(error: unknown): string {
  try {
    if (typeof error === "string") return error;
    return typeof error === "bigint" ? `${error}n` : (JSON.stringify(error) ?? String(error));
  } catch {
    return "a value that cannot be shown";
  }
}

/** The reason of a failed attempt as it is kept: bounded in size, whatever was thrown. A PermanentError around another error tells that one. */
export function failureFrom(error: unknown, code: ErrorCode = "HANDLER_FAILED"): JobFailure {
  try {
    return readFailure(error, code);
  } catch {
    // A getter or proxy that throws: the job must still come to its end.
    return { code, name: "Error", message: "a value that cannot be shown", stack: undefined };
  }
}

function readFailure(thrown: unknown, code: ErrorCode): JobFailure {
  const error = isPermanent(thrown) && thrown.cause instanceof Error ? thrown.cause : thrown;
  if (typeof error !== "object" || error === null) {
    return { code, name: "Error", message: cut(thrownText(error), MAX_MESSAGE), stack: undefined };
  }
  const { name, message, stack } = error as Partial<Record<string, unknown>>;
  return {
    code: isJobferryError(error) ? error.code : code,
    name: cut(textOf(name, "Error"), 200),
    message: cut(typeof message === "string" ? message : thrownText(error), MAX_MESSAGE),
    stack: typeof stack === "string" ? cut(stack, MAX_STACK) : undefined,
  };
}

/** The kept reason as an error again, for events and listings. */
export function errorFrom(failure: JobFailure): Error {
  if (failure.code === "HANDLER_FAILED") {
    const error = new Error(failure.message);
    error.name = failure.name;
    if (failure.stack !== undefined) error.stack = failure.stack;
    return error;
  }
  const error = new JobferryError(failure.code as ErrorCode, failure.message);
  if (failure.stack !== undefined) error.stack = failure.stack;
  return error;
}

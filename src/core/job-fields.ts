/** The fields that a user gives a job: what is taken, and how it is kept. */
import type { Texts } from "../contract/index.ts";
import { describeValue, invalidArgument } from "../errors/index.ts";
import { checkInteger, parseDuration, type Duration } from "../runtime/index.ts";
import { NO_TEXTS } from "./envelope.ts";

const MAX_PRIORITY = 1_000_000_000;
const MAX_TEXTS = 100;
const MAX_TEXT_LENGTH = 10_000;

/** A moment (epoch ms) given as such, or a length from the push on. */
export type When = Readonly<{ at: number }> | Readonly<{ in: number }>;
export const AT_ONCE: When = { in: 0 };

export function checkWhen(field: string, value: Duration | Date): When {
  if (!(value instanceof Date)) return { in: parseDuration(value, field) };
  const at = value.getTime();
  if (!(at >= 0 && at < 8.64e15)) throw invalidArgument(field, String(value), "a duration or a valid Date after 1970");
  return { at };
}

/** Copies, checks and freezes tags or headers. @throws INVALID_ARGUMENT */
export function checkTexts(field: string, value: unknown): Texts {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw invalidArgument(field, value, "an object of strings");
  const entries = Object.entries(value as Record<string, unknown>);
  if (entries.length > MAX_TEXTS) throw invalidArgument(field, value, `at most ${MAX_TEXTS} entries`);
  const copy: Record<string, string> = {};
  for (const [key, text] of entries) setText(field, copy, key, text);
  return entries.length === 0 ? NO_TEXTS : Object.freeze(copy);
}

export function setText(field: string, target: Record<string, string>, key: unknown, text: unknown): void {
  const wanted = `a well-formed string of at most ${MAX_TEXT_LENGTH} characters`;
  if (typeof key !== "string" || key.length > MAX_TEXT_LENGTH || !key.isWellFormed())
    throw invalidArgument(`a key of ${field}`, key, wanted);
  if (typeof text !== "string" || text.length > MAX_TEXT_LENGTH || !text.isWellFormed()) {
    throw invalidArgument(`${field}[${describeValue(key)}]`, text, wanted);
  }
  Object.defineProperty(target, key, { value: text, enumerable: true, configurable: true, writable: true });
}

export function checkId(id: unknown): string {
  if (typeof id !== "string" || id.length === 0 || id.length > 200 || !id.isWellFormed()) {
    throw invalidArgument("id", id, "a well-formed string of 1 to 200 characters");
  }
  return id;
}

export function checkPriority(value: unknown): number {
  return checkInteger("priority", value, -MAX_PRIORITY, MAX_PRIORITY);
}

import { invalidArgument } from "../errors/index.ts";

export const MAX_NAME_LENGTH = 200;
// Everything printable but separators that some backend gives a meaning of its own is escaped by its driver; only control characters are refused.
// oxlint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u001f\u007f]/;
const accepted = new Set<string>();

/**
 * A queue, job or connection name: 1 to 200 characters of well-formed Unicode without control characters or white space at its ends.
 * Checked once here; each driver escapes it for its backend.
 */
export function checkName(field: string, name: unknown): string {
  if (typeof name === "string" && accepted.has(name)) return name;
  const valid =
    typeof name === "string" &&
    name.length > 0 &&
    name.length <= MAX_NAME_LENGTH &&
    name.isWellFormed() &&
    name.trim() === name &&
    !CONTROL.test(name);
  if (!valid) {
    throw invalidArgument(
      field,
      name,
      `a name of 1 to ${MAX_NAME_LENGTH} characters without control characters and without white space at its ends`,
    );
  }
  if (accepted.size < 1_000) accepted.add(name);
  return name;
}

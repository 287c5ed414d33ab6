import { JobferryError } from "./jobferry-error.ts";

/** What a value looks like in a message: short, and never the whole of it. */
export function describeValue(value: unknown): string {
  if (typeof value === "string")
    return value.length > 40 ? `${JSON.stringify(value.slice(0, 40))}…` : JSON.stringify(value);
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "function") return "a function";
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === "object" && value !== null) return `an object (${value.constructor?.name ?? "no prototype"})`;
  return String(value);
}

/** INVALID_ARGUMENT that names the field, what it got and what it wants. */
export function invalidArgument(field: string, value: unknown, wanted: string): JobferryError {
  return new JobferryError("INVALID_ARGUMENT", `${field} is ${describeValue(value)}; it must be ${wanted}.`);
}

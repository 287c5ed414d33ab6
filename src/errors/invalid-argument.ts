import { JobferryError } from "./jobferry-error.ts";

/** User and password of a URL, which is easily put into the wrong place. */
const USERINFO = /:\/\/\S*@/g;

/** What a value looks like in a message: short, never the whole of it, and without the password of a URL. */
export function describeValue(value: unknown): string {
  if (typeof value === "string") return describeText(value.replace(USERINFO, "://***@"));
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "function") return "a function";
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === "object" && value !== null) return `an object (${value.constructor?.name ?? "no prototype"})`;
  return String(value);
}

function describeText(text: string): string {
  return text.length > 40 ? `${JSON.stringify(text.slice(0, 40))}…` : JSON.stringify(text);
}

/** INVALID_ARGUMENT that names the field, what it got and what it wants. */
export function invalidArgument(field: string, value: unknown, wanted: string): JobferryError {
  return new JobferryError("INVALID_ARGUMENT", `${field} is ${describeValue(value)}; it must be ${wanted}.`);
}

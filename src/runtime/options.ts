import { describeValue, invalidArgument, JobferryError } from "../errors/index.ts";
import { nearest } from "./nearest.ts";

/** Refuses an option that nobody would read, and names the nearest known one. `null`: options that must be there are not. */
export function checkOptions(owner: string, options: object | null | undefined, known: readonly string[]): void {
  if (options === undefined) return;
  if (typeof options !== "object" || options === null) throw invalidArgument(`${owner} options`, options, "an object");
  for (const key of Object.keys(options)) {
    if (known.includes(key)) continue;
    const meant = nearest(key, known);
    const hint = meant === undefined ? `Known: ${known.join(", ")}.` : `Did you mean "${meant}"?`;
    throw new JobferryError("INVALID_ARGUMENT", `${owner} has no option ${describeValue(key)}. ${hint}`);
  }
}

export function checkInteger(
  field: string,
  value: unknown,
  min: number,
  max: number = Number.MAX_SAFE_INTEGER,
): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < min || value > max) {
    throw invalidArgument(field, value, `an integer from ${min} to ${max}`);
  }
  return value;
}

/** By what is used of it: a signal may come from another realm. */
export function checkSignal(field: string, value: unknown): void {
  if (value === undefined) return;
  const { aborted, addEventListener } = Object(value) as Partial<AbortSignal>;
  if (typeof aborted === "boolean" && typeof addEventListener === "function") return;
  throw invalidArgument(field, value, "an AbortSignal, e.g. AbortSignal.timeout(5_000)");
}

/** Those options of these names that were given. */
export function given(options: object, names: readonly string[]): object {
  return Object.fromEntries(
    Object.entries(options).filter(([name, value]) => names.includes(name) && value !== undefined),
  );
}

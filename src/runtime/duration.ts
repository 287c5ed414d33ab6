import { invalidArgument } from "../errors/index.ts";

/** A number is milliseconds. */
export type Duration = number | `${number}${"ms" | "s" | "m" | "h" | "d"}`;

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const PATTERN = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/;

/** 100 years: beyond it epoch milliseconds leave the range that every backend keeps. */
export const MAX_DURATION_MS: number = 100 * 365 * 86_400_000;

export type DurationLimits = Readonly<{ min?: number; max?: number }>;

/**
 * Milliseconds of a duration: a number, or text such as "250ms", "5s", "1.5h". Also for text from outside, e.g. the environment.
 * @throws INVALID_ARGUMENT that names `field` and the limits.
 */
export function parseDuration(value: string | number, field = "duration", limits: DurationLimits = {}): number {
  const { min = 0, max = MAX_DURATION_MS } = limits;
  const wanted = `milliseconds from ${min} to ${max}, or text such as "5s" ("ms", "s", "m", "h", "d")`;
  const ms = typeof value === "number" ? value : parseText(value);
  if (ms === undefined || !(ms >= min) || !(ms <= max)) throw invalidArgument(field, value, wanted);
  return ms;
}

function parseText(text: unknown): number | undefined {
  const match = typeof text === "string" ? PATTERN.exec(text) : null;
  const unit = UNIT_MS[match?.[2] ?? ""];
  return match === null || unit === undefined ? undefined : Number(match[1]) * unit;
}

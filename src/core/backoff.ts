import type { Clock } from "../contract/index.ts";
import { describeValue, invalidArgument, JobferryError } from "../errors/index.ts";
import { MAX_DURATION_MS, parseDuration, type Duration } from "../runtime/index.ts";

/**
 * How long to wait before the next attempt: fixed, a list (its last entry repeats), or exponential (`base * 2^(n-1)`, at most `max`,
 * spread by `jitter`: a share of the delay, 0 to 1, by which it is shortened at random).
 */
export type Backoff = Duration | readonly Duration[] | Readonly<{ base: Duration; max?: Duration; jitter?: number }>;

/** Checked and in milliseconds; also the form in the envelope. */
export type BackoffMs = number | readonly number[] | Readonly<{ base: number; max: number; jitter: number }>;

export const DEFAULT_BACKOFF: BackoffMs = { base: 1_000, max: 900_000, jitter: 0.2 };

/** @throws INVALID_ARGUMENT that names `field`. */
export function checkBackoff(field: string, value: Backoff): BackoffMs {
  if (typeof value === "number" || typeof value === "string") return parseDuration(value, field);
  if (isList(value)) {
    if (value.length === 0) throw invalidArgument(field, value, "a list with at least one duration");
    return value.map((entry, i) => parseDuration(entry, `${field}[${i}]`));
  }
  if (typeof value !== "object" || value === null) {
    throw invalidArgument(field, value, "a duration, a list of durations, or { base, max, jitter }");
  }
  return checkExponential(field, value);
}

function checkExponential(
  field: string,
  value: Readonly<{ base: Duration; max?: Duration; jitter?: number }>,
): BackoffMs {
  for (const key of Object.keys(value)) {
    if (key !== "base" && key !== "max" && key !== "jitter") {
      throw new JobferryError(
        "INVALID_ARGUMENT",
        `${field} has no member ${describeValue(key)}. Known: base, max, jitter.`,
      );
    }
  }
  const base = parseDuration(value.base, `${field}.base`);
  const max = value.max === undefined ? Math.max(base, 900_000) : parseDuration(value.max, `${field}.max`);
  const jitter = value.jitter ?? 0.2;
  if (typeof jitter !== "number" || !(jitter >= 0 && jitter <= 1))
    throw invalidArgument(`${field}.jitter`, jitter, "a number from 0 to 1");
  return { base, max, jitter };
}

/** The delay after the `attempt`th failed attempt (from 1), in milliseconds. */
export function backoffDelay(backoff: BackoffMs, attempt: number, clock: Clock): number {
  if (typeof backoff === "number") return backoff;
  const n = Math.max(1, attempt);
  if (isList(backoff)) return backoff[Math.min(n, backoff.length) - 1] ?? 0;
  const full = Math.min(backoff.max, backoff.base * 2 ** Math.min(n - 1, 60), MAX_DURATION_MS);
  return Math.round(full * (1 - backoff.jitter * clock.random()));
}

function isList<T>(value: unknown): value is readonly T[] {
  return Array.isArray(value);
}

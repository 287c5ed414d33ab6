import { checkInteger, parseDuration, type Duration } from "../runtime/index.ts";
import { type Backoff, type BackoffMs, checkBackoff, DEFAULT_BACKOFF } from "./backoff.ts";

/** The options of an attempt: the job's own count first, then its definition's, the worker's, the queue's `defaults`, the built-in. */
export type Attempts = Readonly<{
  /** Failed attempts before the job goes to failed; lost leases are not among them. Default 3. */
  maxAttempts?: number;
  /** Lost leases before the job goes to failed with LEASE_EXPIRED. Travels with the job or is the queue's. Default 3. */
  maxLosses?: number;
  /** Attempts that threw before the job goes to failed, whatever `maxAttempts` says. Default: no limit of its own. */
  maxExceptions?: number;
  /** Default: exponential from 1 s to 15 m with 20 % jitter. */
  backoff?: Backoff;
  /** How long one attempt may run. Default: no limit. */
  timeout?: Duration;
}>;

export type CheckedAttempts = Readonly<{
  maxAttempts: number | undefined;
  maxLosses: number | undefined;
  maxExceptions: number | undefined;
  backoff: BackoffMs | undefined;
  timeout: number | undefined;
}>;

export const ATTEMPT_OPTIONS: readonly string[] = ["maxAttempts", "maxLosses", "maxExceptions", "backoff", "timeout"];
const MAX_COUNT = 1_000_000;
export const NO_ATTEMPTS: CheckedAttempts = {
  maxAttempts: undefined,
  maxLosses: undefined,
  maxExceptions: undefined,
  backoff: undefined,
  timeout: undefined,
};
export const BUILT_IN: Readonly<{ maxAttempts: number; maxLosses: number; backoff: BackoffMs }> = {
  maxAttempts: 3,
  maxLosses: 3,
  backoff: DEFAULT_BACKOFF,
};

/** @throws INVALID_ARGUMENT that names `owner` and the field. */
export function checkAttempts(owner: string, options: Attempts): CheckedAttempts {
  const { maxAttempts, maxLosses, maxExceptions, backoff, timeout } = options;
  return {
    maxAttempts: maxAttempts === undefined ? undefined : checkCount(`${owner}.maxAttempts`, maxAttempts),
    maxLosses: maxLosses === undefined ? undefined : checkCount(`${owner}.maxLosses`, maxLosses),
    maxExceptions: maxExceptions === undefined ? undefined : checkCount(`${owner}.maxExceptions`, maxExceptions),
    backoff: backoff === undefined ? undefined : checkBackoff(`${owner}.backoff`, backoff),
    timeout: timeout === undefined ? undefined : parseDuration(timeout, `${owner}.timeout`, { min: 1 }),
  };
}

export function checkCount(field: string, value: unknown): number {
  return checkInteger(field, value, 1, MAX_COUNT);
}

import type { CoordinationCapabilities } from "../../contract/index.ts";
import { invalidArgument } from "../../errors/index.ts";
import type { LifeTiming } from "./life.ts";

const DEFAULT_TTL_MS = 10_000;

/** @throws INVALID_ARGUMENT for a time to live that the store does not take. */
export function timingFor(
  ttlMs: number | undefined,
  { session: { minTtlMs, maxTtlMs } }: CoordinationCapabilities,
): LifeTiming {
  const chosen = ttlMs ?? Math.min(Math.max(DEFAULT_TTL_MS, minTtlMs), maxTtlMs);
  if (chosen < minTtlMs || chosen > maxTtlMs)
    throw invalidArgument("sessionTtl", chosen, `from ${minTtlMs} to ${maxTtlMs} ms, which this store takes`);
  return { ttlMs: chosen, freshMs: freshMsOf(chosen) };
}

/** How old the last renewal of a session may be when a lease is given under it. Others count on it, too, from `ttlMs` alone. */
export function freshMsOf(ttlMs: number): number {
  return ttlMs / 2;
}

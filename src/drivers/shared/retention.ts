import type { DriverContext, Retention } from "../../contract/index.ts";

/** Whether jobs that ended are kept at all. */
export type Kept = Readonly<{ completed: boolean; failed: boolean }>;

export function keptUnder({ completed, failed }: DriverContext["retention"]): Kept {
  return { completed: keepsAny(completed), failed: keepsAny(failed) };
}

/**
 * Whether upkeep removes what is beyond it. Who keeps none stores none, and leaves alone what others keep: a process with default options must not take from the
 * store what makes their repeated pushes change nothing.
 */
export function prunes(retention: Retention): boolean {
  return keepsAny(retention) && (Number.isFinite(retention.count) || Number.isFinite(retention.ageMs));
}

function keepsAny({ count, ageMs }: Retention): boolean {
  return count > 0 && ageMs > 0;
}

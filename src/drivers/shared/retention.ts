import type { DriverContext, Retention } from "../../contract/index.ts";

/** Whether jobs that ended are kept at all. */
export type Kept = Readonly<{ completed: boolean; failed: boolean }>;

export function keptUnder({ completed, failed }: DriverContext["retention"]): Kept {
  return { completed: keepsAny(completed), failed: keepsAny(failed) };
}

function keepsAny({ count, ageMs }: Retention): boolean {
  return count > 0 && ageMs > 0;
}

import { bound, type ConformanceSummary, runCases, type RunOptions } from "../runner.ts";
import { coordinationGroups } from "./cases/index.ts";
import { CoordinationStage } from "./stage.ts";
import type { CoordinationCase, CoordinationTarget } from "./target.ts";

const CASE_TIMEOUT_MS = 120_000;

/** Every case of the coordination contract, bound to a target. Ask `requires` with the store's capabilities, then call `run`. */
export function coordinationSuite(target: CoordinationTarget): readonly CoordinationCase[] {
  return bound(coordinationGroups, target, () => CoordinationStage.open(target), CASE_TIMEOUT_MS);
}

export type CoordinationOptions = RunOptions<CoordinationCase>;

/** Runs the whole suite without a test runner. Never rejects for a case that fails; look at `failed`. */
export async function runCoordinationConformance(
  target: CoordinationTarget,
  options: CoordinationOptions = {},
): Promise<ConformanceSummary> {
  const { capabilities } = await target.open();
  await target.cleanup?.();
  return runCases(coordinationSuite(target), capabilities, options);
}

import type { Capabilities } from "../../contract/index.ts";
import { caseGroups } from "./cases/index.ts";
import { bound, type ConformanceSummary, runCases, type RunOptions } from "./runner.ts";
import { Stage } from "./stage.ts";
import type { ConformanceCase, ConformanceTarget } from "./target.ts";

/** Only for what hangs: where sessions end by themselves, a case that waits for several of them takes half a minute and more. */
const CASE_TIMEOUT_MS = 150_000;

/** Every case of the contract, bound to a target. Ask `requires` with the capabilities that `open()` gave (see `capabilitiesOf`), then call `run`. */
export function conformanceSuite(target: ConformanceTarget): readonly ConformanceCase[] {
  return bound(caseGroups, target, ({ retention }) => Stage.open(target, retention), CASE_TIMEOUT_MS);
}

/** What a target's driver declares, found by opening one and closing it again. */
export async function capabilitiesOf(target: ConformanceTarget): Promise<Capabilities> {
  const stage = await Stage.open(target);
  await stage.leave();
  return stage.capabilities;
}

export type ConformanceOptions = RunOptions<ConformanceCase>;

/** Runs the whole suite without a test runner. Never rejects for a case that fails; look at `failed`. */
export async function runConformance(
  target: ConformanceTarget,
  options: ConformanceOptions = {},
): Promise<ConformanceSummary> {
  return runCases(conformanceSuite(target), await capabilitiesOf(target), options);
}

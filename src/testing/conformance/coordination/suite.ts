import type { CoordinationCapabilities } from "../../../contract/index.ts";
import { systemClock } from "../../../runtime/index.ts";
import type { CaseOutcome, ConformanceSummary } from "../suite.ts";
import type { CoordinationCaseSpec } from "./case.ts";
import { coordinationGroups } from "./cases/index.ts";
import { CoordinationStage } from "./stage.ts";
import type { CoordinationCase, CoordinationTarget } from "./target.ts";

/** Real time. A case that takes longer hangs. */
const CASE_TIMEOUT_MS = 120_000;

/** Every case of the coordination contract, bound to a target. Ask `requires` with the store's capabilities, then call `run`. */
export function coordinationSuite(target: CoordinationTarget): readonly CoordinationCase[] {
  return coordinationGroups.flatMap(({ group, cases }) => cases.map((spec) => bind(group, spec, target)));
}

function bind(group: string, spec: CoordinationCaseSpec, target: CoordinationTarget): CoordinationCase {
  const { requires, name } = spec;
  return {
    group,
    name,
    ...(requires === undefined
      ? {}
      : { requires: (capabilities: CoordinationCapabilities) => requires(capabilities, target) }),
    run: () => withinRealTime(runOnce(spec, target), `${group}: ${name}`),
  };
}

async function runOnce(spec: CoordinationCaseSpec, target: CoordinationTarget): Promise<void> {
  const stage = await CoordinationStage.open(target);
  try {
    await spec.run(stage);
  } catch (error) {
    // What the case found matters more than what the clean-up finds after it.
    await stage.leave().catch(() => undefined);
    throw error;
  }
  await stage.leave();
}

async function withinRealTime(run: Promise<void>, name: string): Promise<void> {
  const hung = Promise.withResolvers<never>();
  const timer = systemClock.timer(CASE_TIMEOUT_MS, () =>
    hung.reject(new Error(`${name}: no result after ${CASE_TIMEOUT_MS / 1_000} s; a call of the store never settled`)),
  );
  try {
    await Promise.race([run, hung.promise]);
  } finally {
    timer.cancel();
  }
}

export type CoordinationOptions = Readonly<{
  /** Called after every case. */
  report?: (outcome: CaseOutcome) => void;
  /** Runs only the cases for which it says true. Default: all. */
  only?: (coordinationCase: CoordinationCase) => boolean;
}>;

/** Runs the whole suite without a test runner. Never rejects for a case that fails; look at `failed`. */
export async function runCoordinationConformance(
  target: CoordinationTarget,
  options: CoordinationOptions = {},
): Promise<ConformanceSummary> {
  const outcomes: CaseOutcome[] = [];
  const { capabilities } = await target.open();
  await target.cleanup?.();
  for (const one of coordinationSuite(target)) {
    if (options.only?.(one) === false) continue;
    const outcome = await judge(one, capabilities);
    outcomes.push(outcome);
    options.report?.(outcome);
  }
  const count = (status: CaseOutcome["status"]): number =>
    outcomes.filter((outcome) => outcome.status === status).length;
  return { passed: count("passed"), failed: count("failed"), skipped: count("skipped"), outcomes };
}

async function judge(one: CoordinationCase, capabilities: CoordinationCapabilities): Promise<CaseOutcome> {
  const { group, name } = one;
  const reason = one.requires?.(capabilities);
  if (reason !== undefined) return { group, name, milliseconds: 0, status: "skipped", reason };
  const start = systemClock.monotonic();
  try {
    await one.run();
    return { group, name, milliseconds: systemClock.monotonic() - start, status: "passed" };
  } catch (error) {
    return { group, name, milliseconds: systemClock.monotonic() - start, status: "failed", error };
  }
}

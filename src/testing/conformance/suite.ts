import type { Capabilities } from "../../contract/index.ts";
import { systemClock } from "../../runtime/index.ts";
import type { CaseSpec } from "./case.ts";
import { caseGroups } from "./cases/index.ts";
import { Stage } from "./stage.ts";
import type { ConformanceCase, ConformanceTarget } from "./target.ts";

/** Real time. A case that takes longer hangs. */
const CASE_TIMEOUT_MS = 60_000;

/** Every case of the contract, bound to a target. Ask `requires` with the capabilities that `open()` gave (see `capabilitiesOf`), then call `run`. */
export function conformanceSuite(target: ConformanceTarget): readonly ConformanceCase[] {
  return caseGroups.flatMap(({ group, cases }) => cases.map((spec) => bind(group, spec, target)));
}

function bind(group: string, spec: CaseSpec, target: ConformanceTarget): ConformanceCase {
  const { requires } = spec;
  return {
    group,
    name: spec.name,
    ...(requires === undefined ? {} : { requires: (capabilities: Capabilities) => requires(capabilities, target) }),
    run: () => withinRealTime(runOnce(spec, target), `${group}: ${spec.name}`),
  };
}

async function runOnce(spec: CaseSpec, target: ConformanceTarget): Promise<void> {
  const stage = await Stage.open(target, spec.retention);
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
    hung.reject(new Error(`${name}: no result after ${CASE_TIMEOUT_MS / 1_000} s; a call of the driver never settled`)),
  );
  try {
    await Promise.race([run, hung.promise]);
  } finally {
    timer.cancel();
  }
}

/** What a target's driver declares, found by opening one and closing it again. */
export async function capabilitiesOf(target: ConformanceTarget): Promise<Capabilities> {
  const stage = await Stage.open(target);
  await stage.leave();
  return stage.capabilities;
}

export type CaseOutcome = Readonly<{ group: string; name: string; milliseconds: number }> &
  (
    | Readonly<{ status: "passed" }>
    | Readonly<{ status: "failed"; error: unknown }>
    | Readonly<{ status: "skipped"; reason: string }>
  );

export type ConformanceOptions = Readonly<{
  /** Called after every case. */
  report?: (outcome: CaseOutcome) => void;
  /** Runs only the cases for which it says true. Default: all. */
  only?: (conformanceCase: ConformanceCase) => boolean;
}>;

export type ConformanceSummary = Readonly<{
  passed: number;
  failed: number;
  skipped: number;
  outcomes: readonly CaseOutcome[];
}>;

/** Runs the whole suite without a test runner. Never rejects for a case that fails; look at `failed`. */
export async function runConformance(
  target: ConformanceTarget,
  options: ConformanceOptions = {},
): Promise<ConformanceSummary> {
  const capabilities = await capabilitiesOf(target);
  const outcomes: CaseOutcome[] = [];
  for (const conformanceCase of conformanceSuite(target)) {
    if (options.only?.(conformanceCase) === false) continue;
    const outcome = await judge(conformanceCase, capabilities);
    outcomes.push(outcome);
    options.report?.(outcome);
  }
  const count = (status: CaseOutcome["status"]): number =>
    outcomes.filter((outcome) => outcome.status === status).length;
  return { passed: count("passed"), failed: count("failed"), skipped: count("skipped"), outcomes };
}

async function judge(conformanceCase: ConformanceCase, capabilities: Capabilities): Promise<CaseOutcome> {
  const { group, name } = conformanceCase;
  const reason = conformanceCase.requires?.(capabilities);
  if (reason !== undefined) return { group, name, milliseconds: 0, status: "skipped", reason };
  const start = systemClock.monotonic();
  const milliseconds = (): number => systemClock.monotonic() - start;
  try {
    await conformanceCase.run();
    return { group, name, milliseconds: milliseconds(), status: "passed" };
  } catch (error) {
    return { group, name, milliseconds: milliseconds(), status: "failed", error };
  }
}

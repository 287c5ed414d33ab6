import { systemClock } from "../../runtime/index.ts";

/** A case before it meets a target: `S` is the stage on which it plays, `T` the target, `C` what a target declares. */
export type Spec<S, T, C> = Readonly<{
  name: string;
  requires?: (capabilities: C, target: T) => string | undefined;
  run(stage: S): Promise<void>;
}>;

/** A case bound to its target. */
export type BoundCase<C> = Readonly<{
  group: string;
  name: string;
  requires?(capabilities: C): string | undefined;
  run(): Promise<void>;
}>;

export type CaseOutcome = Readonly<{ group: string; name: string; milliseconds: number }> &
  (
    | Readonly<{ status: "passed" }>
    | Readonly<{ status: "failed"; error: unknown }>
    | Readonly<{ status: "skipped"; reason: string }>
  );

export type ConformanceSummary = Readonly<{
  passed: number;
  failed: number;
  skipped: number;
  outcomes: readonly CaseOutcome[];
}>;

export type RunOptions<B> = Readonly<{
  /** Called after every case. */
  report?: (outcome: CaseOutcome) => void;
  /** Runs only the cases for which it says true. Default: all. */
  only?: (boundCase: B) => boolean;
}>;

type Stage = Readonly<{ leave(): Promise<void> }>;

/** Each case gets a stage of its own, and hangs when it takes longer than `timeoutMs` of real time. */
export function bound<S extends Stage, T, C, P extends Spec<S, T, C>>(
  groups: readonly Readonly<{ group: string; cases: readonly P[] }>[],
  target: T,
  open: (spec: P) => Promise<S>,
  timeoutMs: number,
): readonly BoundCase<C>[] {
  const bind = (group: string, spec: P): BoundCase<C> => {
    const { name, requires } = spec;
    return {
      group,
      name,
      ...(requires === undefined ? {} : { requires: (capabilities: C) => requires(capabilities, target) }),
      run: () => withinRealTime(runOnce(spec, open), timeoutMs, `${group}: ${name}`),
    };
  };
  return groups.flatMap(({ group, cases }) => cases.map((spec) => bind(group, spec)));
}

async function runOnce<S extends Stage, P extends Readonly<{ run(stage: S): Promise<void> }>>(
  spec: P,
  open: (spec: P) => Promise<S>,
): Promise<void> {
  const stage = await open(spec);
  try {
    await spec.run(stage);
  } catch (error) {
    // What the case found matters more than what the clean-up finds after it.
    await stage.leave().catch(() => undefined);
    throw error;
  }
  await stage.leave();
}

async function withinRealTime(run: Promise<void>, timeoutMs: number, name: string): Promise<void> {
  const hung = Promise.withResolvers<never>();
  const timer = systemClock.timer(timeoutMs, () =>
    hung.reject(new Error(`${name}: no result after ${timeoutMs / 1_000} s; a call never settled`)),
  );
  try {
    await Promise.race([run, hung.promise]);
  } finally {
    timer.cancel();
  }
}

/** Runs cases one after the other. Never rejects for a case that fails; look at `failed`. */
export async function runCases<C, B extends BoundCase<C>>(
  cases: readonly B[],
  capabilities: C,
  options: RunOptions<B>,
): Promise<ConformanceSummary> {
  const outcomes: CaseOutcome[] = [];
  for (const one of cases) {
    if (options.only?.(one) === false) continue;
    const outcome = await judge(one, capabilities);
    outcomes.push(outcome);
    options.report?.(outcome);
  }
  const count = (status: CaseOutcome["status"]): number =>
    outcomes.filter((outcome) => outcome.status === status).length;
  return { passed: count("passed"), failed: count("failed"), skipped: count("skipped"), outcomes };
}

async function judge<C>(one: BoundCase<C>, capabilities: C): Promise<CaseOutcome> {
  const { group, name } = one;
  const reason = one.requires?.(capabilities);
  if (reason !== undefined) return { group, name, milliseconds: 0, status: "skipped", reason };
  const start = systemClock.monotonic();
  const milliseconds = (): number => systemClock.monotonic() - start;
  try {
    await one.run();
    return { group, name, milliseconds: milliseconds(), status: "passed" };
  } catch (error) {
    return { group, name, milliseconds: milliseconds(), status: "failed", error };
  }
}

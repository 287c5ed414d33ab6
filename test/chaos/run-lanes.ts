/** The short forms as tests: all scenarios of one store, in lanes beside each other. */
import { afterAll, expect } from "vitest";
import { complaints, report } from "./report.ts";
import { type Outcome, runScenario } from "./scenario.ts";
import { type Name, scenario } from "./scenarios.ts";

export type Run = readonly [name: Name, seconds: number];

export type Survived = (name: Name, happened: Readonly<Record<string, number>>) => Promise<Outcome>;

/**
 * Starts them all: the scenarios of a lane one after the other, lanes at once, because the processes of one alone leave a core idle. The function tells whether one was
 * survived: nothing is wrong, and what was to be survived has happened at least so often.
 */
export function runLanes(store: string, lanes: readonly (readonly Run[])[]): Survived {
  const outcomes = new Map<Name, Promise<Outcome>>();
  for (const lane of lanes) {
    let before: Promise<unknown> = Promise.resolve();
    for (const [name, seconds] of lane) {
      const outcome = before.then(() => runScenario(scenario(name, seconds), store));
      outcomes.set(name, outcome);
      before = outcome.catch(() => undefined); // its own test tells it
    }
  }
  afterAll(async () => {
    const all = await Promise.allSettled(outcomes.values());
    console.log(report(all.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []))));
  });
  return async (name, happened) => {
    const outcome = await outcomes.get(name);
    if (outcome === undefined) throw new Error(`${name} is in no lane`);
    expect(complaints(outcome)).toEqual([]);
    for (const [what, atLeast] of Object.entries(happened))
      expect(outcome.counts[what], what).toBeGreaterThanOrEqual(atLeast);
    return outcome;
  };
}

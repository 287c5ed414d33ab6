/** The short forms as tests: all scenarios of one store, in lanes beside each other. */
import { afterAll, expect } from "vitest";
import { complaints, report } from "./report.ts";
import { type Outcome, runScenario, type Scenario } from "./scenario.ts";
import { type Name, scenarioOn } from "./scenarios.ts";
import type { ChaosServer } from "./server-store.ts";

/** `other`: than in the long form. */
export type Run = readonly [name: Name, seconds: number, other?: Partial<Pick<Scenario, "workers" | "most">>];

export type Survived = (name: Name, happened: Readonly<Record<string, number>>) => Promise<Outcome>;

/**
 * Starts them all: the scenarios of a lane one after the other, lanes at once, because the processes of one alone leave a core idle. The function tells whether one was
 * survived: nothing is wrong, and what was to be survived has happened at least so often. `start`: where a server takes long to start, each lane has one for
 * all of its scenarios.
 */
export function runLanes(
  store: string,
  lanes: readonly (readonly Run[])[],
  start?: () => Promise<ChaosServer>,
): Survived {
  const outcomes = new Map<Name, Promise<Outcome>>();
  const servers: Promise<ChaosServer>[] = [];
  for (const lane of lanes) {
    const server = start?.();
    if (server !== undefined) servers.push(server);
    let before: Promise<unknown> = Promise.resolve(server).catch(() => undefined);
    for (const [name, seconds, other = {}] of lane) {
      const planned = { ...scenarioOn(store, name, seconds), ...other };
      const outcome = before.then(async () => runScenario(planned, store, await server));
      outcomes.set(name, outcome);
      before = outcome.catch(() => undefined); // its own test tells it
    }
  }
  afterAll(async () => {
    const all = await Promise.allSettled(outcomes.values());
    for (const server of await Promise.allSettled(servers))
      if (server.status === "fulfilled") await server.value.remove();
    console.log(report(all.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []))));
  });
  return async (name, happened) => {
    const outcome = await outcomes.get(name);
    if (outcome === undefined) throw new Error(`${name} is in no lane`);
    expectSurvived(outcome, happened);
    return outcome;
  };
}

/** Nothing is wrong, and what was to be survived has happened at least so often. */
export function expectSurvived(outcome: Outcome, happened: Readonly<Record<string, number>>): void {
  const wrong = complaints(outcome);
  if (wrong.length > 0) expect.fail(wrong.join("\n")); // whole: of two values that differ the counts of CI show only the beginning
  for (const [what, atLeast] of Object.entries(happened))
    expect(outcome.counts[what], what).toBeGreaterThanOrEqual(atLeast);
}

/** The short forms on SQLite; `npm run chaos` has the long ones. */
import { afterAll, expect, test } from "vitest";
import { complaints, report } from "./report.ts";
import { type Outcome, runScenario } from "./scenario.ts";
import { type Name, scenario } from "./scenarios.ts";

type Run = readonly [name: Name, seconds: number];

/** Two lanes at once: the processes of one alone leave a core idle. */
const LANES: readonly (readonly Run[])[] = [
  [
    ["killedWorkers", 30],
    ["restarts", 8],
  ],
  [
    ["killedProducers", 8],
    ["frozenWorkers", 10],
    ["clockSteps", 8],
    ["poison", 6],
  ],
];

const outcomes = new Map<Name, Promise<Outcome>>();
for (const lane of LANES) {
  let before: Promise<unknown> = Promise.resolve();
  for (const [name, seconds] of lane) {
    const outcome = before.then(() => runScenario(scenario(name, seconds), "sqlite"));
    outcomes.set(name, outcome);
    before = outcome.catch(() => undefined); // its own test tells it
  }
}

/** Nothing is wrong, and what was to be survived has happened. */
async function expectSurvived(name: Name, happened: Readonly<Record<string, number>>): Promise<void> {
  const outcome = await outcomes.get(name);
  if (outcome === undefined) throw new Error(`${name} is in no lane`);
  expect(complaints(outcome)).toEqual([]);
  for (const [what, atLeast] of Object.entries(happened))
    expect(outcome.counts[what], what).toBeGreaterThanOrEqual(atLeast);
}

afterAll(async () => {
  const all = await Promise.allSettled(outcomes.values());
  console.log(report(all.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []))));
});

test("SIGKILL of a worker every second for 30 s", () =>
  expectSurvived("killedWorkers", { kills: 15, pushed: 1_000, "leases that ran out": 5 }));

test("SIGKILL of a producer in the middle of its batches", () =>
  expectSurvived("killedProducers", { kills: 3, pushed: 1_000, "pushes without an answer": 1 }));

test("SIGSTOP past the lease: the late acknowledgement is refused", () =>
  expectSurvived("frozenWorkers", { stops: 1, "refused as stale": 1, "leases that ran out": 1 }));

test("the wall clock steps by an hour: no lease ends early, no delay is early", () =>
  expectSurvived("clockSteps", { "clock steps": 4, completed: 200 }));

test("jobs that kill their worker end in failed when their losses are used up", () =>
  expectSurvived("poison", {
    ...{ "of them by lost leases": 3, completed: 20 },
    ...{ "poisoned: killsItself": 2, "poisoned: aborts": 2, "poisoned: eatsMemory": 1 },
  }));

test("workers that are stopped and started hand their jobs back and lose no lease", async () => {
  await expectSurvived("restarts", { "ended in good order": 5, completed: 200 });
  const outcome = await outcomes.get("restarts");
  expect(outcome?.counts["leases that ran out"]).toBe(0);
});

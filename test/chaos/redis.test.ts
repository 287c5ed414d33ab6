/** The short forms on a Redis server that persists. */
import { afterAll, describe, expect, test } from "vitest";
import { isServerAvailable, startServer } from "../servers/shared-server.ts";
import { complaints, report } from "./report.ts";
import { type Outcome, runScenario } from "./scenario.ts";
import { type Name, scenario } from "./scenarios.ts";

const RUNS: readonly (readonly [name: Name, seconds: number, happened: Readonly<Record<string, number>>])[] = [
  ["killedWorkers", 12, { kills: 5, pushed: 500, "leases that ran out": 1 }],
  ["killedProducers", 6, { kills: 2, pushed: 500 }],
  ["frozenWorkers", 10, { stops: 1, "refused as stale": 1, "leases that ran out": 1 }],
  ["poison", 6, { "of them by lost leases": 3, completed: 20 }],
  ["restarts", 6, { "ended in good order": 4, completed: 200 }],
];

describe.runIf(await isServerAvailable("redis"))("Redis", async () => {
  const server = await startServer("redis", { durable: true });
  const outcomes: Outcome[] = [];
  afterAll(async () => {
    await server.remove();
    console.log(report(outcomes));
  });

  test.each(RUNS)("%s", async (name, seconds, happened) => {
    const outcome = await runScenario(scenario(name, seconds), server.url);
    outcomes.push(outcome);
    expect(complaints(outcome)).toEqual([]);
    for (const [what, atLeast] of Object.entries(happened))
      expect(outcome.counts[what], what).toBeGreaterThanOrEqual(atLeast);
  });
});

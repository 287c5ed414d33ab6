/** The short forms on SQLite; `npm run chaos` has the long ones. */
import { expect, test } from "vitest";
import { runLanes } from "./run-lanes.ts";

const survived = runLanes("sqlite", [
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
]);

test("SIGKILL of a worker every second for 30 s", () =>
  survived("killedWorkers", { kills: 15, pushed: 1_000, "leases that ran out": 5 }));

test("SIGKILL of a producer in the middle of its batches", () =>
  survived("killedProducers", { kills: 3, pushed: 1_000, "pushes without an answer": 1 }));

test("SIGSTOP past the lease: the late acknowledgement is refused", () =>
  survived("frozenWorkers", { stops: 1, "refused as stale": 1, "leases that ran out": 1 }));

test("the wall clock steps by an hour: no lease ends early, no delay is early", () =>
  survived("clockSteps", { "clock steps": 4, completed: 200 }));

test("jobs that kill their worker end in failed when their losses are used up", () =>
  survived("poison", {
    ...{ "of them by lost leases": 3, completed: 20 },
    ...{ "poisoned: killsItself": 2, "poisoned: aborts": 2, "poisoned: eatsMemory": 1 },
  }));

test("workers that are stopped and started hand their jobs back and lose no lease", async () => {
  const outcome = await survived("restarts", { "ended in good order": 5, completed: 200 });
  // But those that a machine which stood still ended.
  expect(outcome.counts["leases that ran out"]).toBe(outcome.counts["of them over a stall"]);
});

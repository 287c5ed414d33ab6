/** The short forms of the queue over coordination stores: on SQLite's. */
import { test } from "vitest";
import { runLanes } from "./run-lanes.ts";

const survived = runLanes("coordinated", [
  [
    ["killedWorkers", 12],
    ["frozenWorkers", 8],
  ],
]);

test("coordinated: SIGKILL of a worker every second", () =>
  survived("killedWorkers", { kills: 4, pushed: 200, "leases that ran out": 1 }));

test("coordinated: SIGSTOP past the lease: the late acknowledgement is refused", () =>
  survived("frozenWorkers", { stops: 1, "leases that ran out": 1, "refused as stale": 1 }));

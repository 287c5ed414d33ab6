/** What every store on a server goes through in the short form. */
import { describe, test } from "vitest";
import { type Run, runLanes } from "./run-lanes.ts";

const ON_PROCESSES: readonly (readonly Run[])[] = [
  [
    ["killedWorkers", 10],
    ["clockSteps", 7],
  ],
  [
    ["frozenWorkers", 8],
    ["killedProducers", 9],
    ["poison", 5],
  ],
];

const ON_SERVER: readonly (readonly Run[])[] = [
  [
    ["killedServer", 9],
    ["cutConnections", 6],
    ["droppedAnswers", 7],
  ],
  [
    ["halfOpenConnections", 9],
    ["frozenServer", 8],
    ["slowConnections", 6],
  ],
];

export function onProcesses(store: string): void {
  describe(`processes on ${store}`, () => {
    const survived = runLanes(store, ON_PROCESSES);
    test("SIGKILL of a worker every second", () => survived("killedWorkers", { kills: 4, "leases that ran out": 1 }));
    test("SIGKILL of a producer in the middle of its batches", () =>
      survived("killedProducers", { kills: 2, pushed: 120 }));
    test("SIGSTOP past the lease: the late acknowledgement is refused", () =>
      survived("frozenWorkers", { stops: 1, "leases that ran out": 1 }));
    test("the wall clocks of the processes step by an hour: the store's own clock decides", () =>
      survived("clockSteps", { "clock steps": 3, completed: 50 }));
    test("jobs that kill their worker end in failed", () => survived("poison", { "of them by lost leases": 1 }));
  });
}

export function onServer(store: string): void {
  describe(`the server of ${store}`, () => {
    const survived = runLanes(store, ON_SERVER);
    test("SIGKILL and a new start during push, run and acknowledgement", () =>
      survived("killedServer", { "store: killed": 2, completed: 50 }));
    test("SIGSTOP past the leases", () => survived("frozenServer", { "store: frozen": 1, completed: 50 }));
    test("connections are reset", () => survived("cutConnections", { "store: connections cut": 4, completed: 50 }));
    test("half-open connections, longer than the leases", () =>
      survived("halfOpenConnections", { "store: half-open connections": 1, completed: 20 }));
    test("answers are lost after their effect", () =>
      survived("droppedAnswers", { "store: answers dropped": 2, completed: 20 }));
    test("slow connections and killed workers", () =>
      survived("slowConnections", { "store: slow": 1, kills: 2, completed: 20 }));
  });
}

const ON_GROUP: readonly (readonly Run[])[] = [[["failOver", 16]], [["frozenServer", 12]]];

/** Several servers of which one is primary, asynchronously replicated: pushes wait for a replica, the rest may be forgotten. */
export function onGroup(store: string): void {
  describe(`the servers of ${store}`, () => {
    const survived = runLanes(store, ON_GROUP);
    test("SIGKILL of the primary: another one takes over, no push is lost, workers go on", () =>
      survived("failOver", { "store: failed over": 2, completed: 50 }));
    test("SIGSTOP of one server after the other, past the leases", () =>
      survived("frozenServer", { "store: frozen": 1, completed: 50 }));
  });
}

/** What every store on a server goes through in the short form. */
import { describe, test } from "vitest";
import type { Outcome } from "./scenario.ts";
import { type Run, runLanes, type Survived } from "./run-lanes.ts";
import type { Name } from "./scenarios.ts";

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

type Happened = Readonly<Record<string, number>>;
type Case = Readonly<{ title: string; happened: Happened }>;

const CASES: Readonly<Partial<Record<Name, Case>>> = {
  killedWorkers: { title: "SIGKILL of a worker every second", happened: { kills: 4, "leases that ran out": 1 } },
  killedProducers: {
    title: "SIGKILL of a producer in the middle of its batches",
    happened: { kills: 3, pushed: 200 },
  },
  frozenWorkers: {
    title: "SIGSTOP past the lease: the late acknowledgement is refused",
    happened: { stops: 1, "leases that ran out": 1, "refused as stale": 1 },
  },
  clockSteps: {
    title: "the wall clocks of the processes step by an hour: the store's own clock decides",
    happened: { "clock steps": 3, completed: 50 },
  },
  poison: { title: "jobs that kill their worker end in failed", happened: { "of them by lost leases": 1 } },
  killedServer: {
    title: "SIGKILL and a new start during push, run and acknowledgement",
    happened: { "store: killed": 2, completed: 50 },
  },
  frozenServer: { title: "SIGSTOP past the leases", happened: { "store: frozen": 1, completed: 50 } },
  cutConnections: { title: "connections are reset", happened: { "store: connections cut": 4, completed: 50 } },
  halfOpenConnections: {
    title: "half-open connections, longer than the leases",
    happened: { "store: half-open connections": 1, completed: 20 },
  },
  droppedAnswers: {
    title: "answers are lost after their effect",
    happened: { "store: answers dropped": 2, completed: 20 },
  },
  slowConnections: {
    title: "slow connections and killed workers",
    happened: { "store: slow": 1, kills: 2, completed: 20 },
  },
};

export function onProcesses(store: string): void {
  onLanes(`processes on ${store}`, ON_PROCESSES, () => runLanes(store, ON_PROCESSES));
}

export function onServer(store: string): void {
  onLanes(`the server of ${store}`, ON_SERVER, () => runLanes(store, ON_SERVER));
}

/** A test for each scenario of the lanes. `instead`: what must have happened where the store's leases differ. */
export function onLanes(
  title: string,
  lanes: readonly (readonly Run[])[],
  run: () => Survived,
  instead: Readonly<Partial<Record<Name, Happened>>> = {},
): void {
  describe(title, () => {
    const survived = run();
    for (const [name] of lanes.flat()) {
      const known = CASES[name];
      if (known === undefined) throw new Error(`${name} is in no short form`);
      test(known.title, (): Promise<Outcome> => survived(name, instead[name] ?? known.happened));
    }
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

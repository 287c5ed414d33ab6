/** The short forms: a cluster of three on each store, and one of five; `npm run chaos -- cluster-redis 5m` is the long form, with five. */
import { afterAll, describe, expect, it } from "vitest";
import { areHostsAvailable, isServerAvailable } from "../servers/shared-server.ts";
import type { Fault } from "./cluster-faults.ts";
import { runCluster } from "./cluster-scenario.ts";
import type { ClusterStore } from "./cluster-stores.ts";
import { complaints, report } from "./report.ts";
import type { Outcome } from "./scenario.ts";
import { isVoted, type VotedStore } from "./voted-servers.ts";

const TTL_MS = 2_000;
/** Of the stores on three servers, whose own leader must be missed and replaced first. */
const VOTED_TTL_MS = 3_000;
/** Of which each must bring a new one. */
const LOSE_THE_LEADER: readonly Fault[] = [
  "killLeader",
  "freezeLeader",
  "partLeader",
  "retireLeader",
  "rollingRestart",
  "killBoth",
  "killLeaderFreezeStore",
];
const outcomes: Outcome[] = [];
afterAll(() => console.log(report(outcomes)));

async function survives(store: ClusterStore, faults: readonly Fault[], nodes = 3): Promise<void> {
  const outcome = await runCluster({ store, nodes, ttlMs: isVoted(store) ? VOTED_TTL_MS : TTL_MS, faults });
  outcomes.push(outcome);
  expect(outcome.leftOut).toEqual([]);
  const wrong = complaints(outcome);
  if (wrong.length > 0) expect.fail(wrong.join("\n"));
  const unled = faults.filter((fault) => LOSE_THE_LEADER.includes(fault));
  expect(outcome.counts["leaders"]).toBeGreaterThan(unled.length);
  expect(outcome.counts["writes of leaders"]).toBeGreaterThan(20);
  expect(outcome.counts["completed"]).toBeGreaterThan(20);
}

it("sqlite: the leader of a cluster is killed, stopped and asked to leave, another node is stopped, and all are replaced", () =>
  survives("sqlite", ["killLeader", "freezeLeader", "retireLeader", "freezeFollower", "rollingRestart"]));

it("sqlite: of five nodes the leader is stopped, and another one killed", () =>
  survives("sqlite", ["freezeLeader", "killFollower"], 5));

describe.runIf(await isServerAvailable("postgres"))("postgres", () => {
  it("postgres: leader and nodes of a cluster are killed, cut off and replaced, and the store is killed", () =>
    survives("postgres", [
      ...(["killLeader", "partLeader", "killFollower", "partFollower"] as const),
      ...(["killStore", "rollingRestart"] as const),
    ]));
});

describe.runIf(await isServerAvailable("redis"))("redis", () => {
  it("redis: leader and nodes of a cluster are stopped, cut off, killed and replaced, and the store is killed", () =>
    survives("redis", [
      ...(["freezeLeader", "partLeader", "killFollower", "partFollower"] as const),
      ...(["killStore", "rollingRestart"] as const),
    ]));
});

describe.runIf(await isServerAvailable("redis-sentinel"))("redis-sentinel", () => {
  it("redis-sentinel: the primary is killed, so that another one takes its place, and then the leader of a cluster", () =>
    survives("redis-sentinel", ["killStore", "killLeader"]));
});

describe.runIf(await isServerAvailable("redis-cluster"))("redis-cluster", () => {
  it("redis-cluster: the primary is killed, so that its replica takes its place, and then the leader of a cluster", () =>
    survives("redis-cluster", ["killStore", "killLeader"]));
});

/** One after the other: three servers, three nodes and a producer of each kept two cores busy (a load of 13), and elections and hand-overs were measured against each other. */
const VOTED: readonly VotedStore[] = ["etcd", "consul", "zookeeper"];
const areSplit = await areHostsAvailable();
const runs: VotedStore[] = [];
for (const store of VOTED) if (await isServerAvailable(`${store}-cluster`)) runs.push(store);

describe.runIf(runs.length > 0)("three servers: the nodes of a cluster", () => {
  it.each(runs)("%s: leader and nodes are killed, stopped, cut off, asked to leave and replaced", (store) =>
    survives(store, [
      ...(["killLeader", "freezeLeader", "partLeader", "retireLeader"] as const),
      ...(["killFollower", "partFollower", "rollingRestart"] as const),
    ]),
  );
});

const OF_THEIR_LEADER: Readonly<Record<VotedStore, readonly Fault[]>> = {
  // killLeaderFreezeStore is left to the long form: a leader of etcd that goes on ended all sessions at once, 2 s after they were renewed, and jobs were given out 0.5 s before their leases were over.
  etcd: ["killStore", "freezeStore", "partStore", "killBoth"],
  // A leader that stood still for longer than twice a session's time ends living sessions 10, 30 and 70 s after it went on, if it leads again then (ADR 0136): so what stops it comes last.
  consul: ["killStore", "partStore", "killBoth", "freezeStore", "killLeaderFreezeStore"],
  zookeeper: ["killStore", "freezeStore", "partStore", "loneStore", "killBoth", "killLeaderFreezeStore"],
};

describe.runIf(runs.length > 0)("three servers: their leader", () => {
  it.each(runs)("%s: it is killed, stopped and cut off, alone and with the leader of a cluster", (store) =>
    survives(store, OF_THEIR_LEADER[store]),
  );
});

describe.runIf(areSplit && runs.length > 0)("three servers: the lines between them", () => {
  it.each(runs)("%s: their leader is cut off from the others, and nodes of a cluster reach both sides", (store) =>
    survives(store, ["splitStore", "killLeader"]),
  );
});

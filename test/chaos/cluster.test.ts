/** The short forms: a cluster of three on each store, and one of five; `npm run chaos -- cluster-redis 5m` is the long form, with five. */
import { afterAll, describe, expect, it } from "vitest";
import { areHostsAvailable, isServerAvailable } from "../servers/shared-server.ts";
import type { Fault } from "./cluster-faults.ts";
import { runCluster } from "./cluster-scenario.ts";
import type { ClusterStore } from "./cluster-stores.ts";
import { complaints, report } from "./report.ts";
import type { Outcome } from "./scenario.ts";

const TTL_MS = 2_000;
/** Of which each must bring a new one. */
const LOSE_THE_LEADER: readonly Fault[] = [
  "killLeader",
  "freezeLeader",
  "partLeader",
  "retireLeader",
  "rollingRestart",
];
const outcomes: Outcome[] = [];
afterAll(() => console.log(report(outcomes)));

async function survives(store: ClusterStore, faults: readonly Fault[], nodes = 3): Promise<void> {
  const outcome = await runCluster({ store, nodes, ttlMs: TTL_MS, faults });
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

describe.runIf(await isServerAvailable("consul-cluster"))("consul", () => {
  it("consul: the leader of a cluster is killed and cut off, and the leader of the three servers killed and stopped", () =>
    survives("consul", ["killLeader", "killStore", "partLeader", "freezeStore"]));
});

describe.runIf(await isServerAvailable("zookeeper-cluster"))("zookeeper", () => {
  it("zookeeper: the leader of a cluster is cut off, that of the three servers is killed, and left alone", () =>
    survives("zookeeper", ["killStore", "partLeader", "loneStore"]));
});

describe.runIf(await isServerAvailable("etcd-cluster"))("etcd", () => {
  it("etcd: the leader of a cluster is killed and cut off, and the leader of the three store nodes is killed, stopped and cut off", () =>
    survives("etcd", ["killLeader", "killStore", "partLeader", "partStore", "freezeStore"]));
});

const VOTED = ["etcd", "consul", "zookeeper"] as const;
const areSplit = await areHostsAvailable();
for (const store of VOTED) {
  describe.runIf(areSplit && (await isServerAvailable(`${store}-cluster`)))(`${store}, split`, () => {
    it(`${store}: the leader of the three servers is cut off from the others, and nodes of a cluster reach both sides`, () =>
      survives(store, ["splitStore", "killLeader"]));
  });
}

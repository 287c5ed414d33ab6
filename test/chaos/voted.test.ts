/** The short forms on three servers that vote for a leader, three stores at once; `npm run chaos -- zookeeper-cluster 5m` is a long form. */
import { test } from "vitest";
import { areHostsAvailable, isServerAvailable } from "../servers/shared-server.ts";
import { type Run, runLanes } from "./run-lanes.ts";

const areSplit = await areHostsAvailable();
const SPLIT: readonly Run[] = areSplit ? [["splitLeader", 6]] : [];
const IS_SPLIT = { "store: leader split off": 2, kills: 2, completed: 30 };

function onEtcd(): void {
  const survived = runLanes("etcd-cluster", [[["failOver", 6], ...SPLIT]]);
  test("etcd: SIGKILL of the leader of three servers: another one leads, and workers go on", () =>
    survived("failOver", { "store: failed over": 2, completed: 30 }));
  test.runIf(areSplit)("etcd: the leader is cut off from the other servers, while workers are killed", () =>
    survived("splitLeader", IS_SPLIT),
  );
}

function onConsul(): void {
  const survived = runLanes("consul-cluster", [[["partedLeader", 6], ...SPLIT]]);
  test("consul: nobody reaches the leader of three servers, while workers are killed", () =>
    survived("partedLeader", { "store: leader cut off": 2, kills: 2, completed: 30 }));
  test.runIf(areSplit)("consul: the leader is cut off from the other servers, while workers are killed", () =>
    survived("splitLeader", IS_SPLIT),
  );
}

function onZookeeper(): void {
  const survived = runLanes("zookeeper-cluster", [[["failOver", 6], ...SPLIT]]);
  test("zookeeper: SIGKILL of the leader of three servers: another one leads, and workers go on", () =>
    survived("failOver", { "store: failed over": 2, completed: 30 }));
  test.runIf(areSplit)("zookeeper: the leader is cut off from the other servers, while workers are killed", () =>
    survived("splitLeader", IS_SPLIT),
  );
}

if (await isServerAvailable("etcd-cluster")) onEtcd();
if (await isServerAvailable("consul-cluster")) onConsul();
if (await isServerAvailable("zookeeper-cluster")) onZookeeper();

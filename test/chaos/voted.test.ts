/** The short forms on three servers that vote for a leader, two stores at once; `npm run chaos -- zookeeper-cluster 5m` is a long form. */
import { test } from "vitest";
import { isServerAvailable } from "../servers/shared-server.ts";
import { runLanes } from "./run-lanes.ts";

function onEtcd(): void {
  const survived = runLanes("etcd-cluster", [[["failOver", 6]]]);
  test("etcd: SIGKILL of the leader of three servers: another one leads, and workers go on", () =>
    survived("failOver", { "store: failed over": 2, completed: 30 }));
}

function onConsul(): void {
  const survived = runLanes("consul-cluster", [[["partedLeader", 6]]]);
  test("consul: nobody reaches the leader of three servers, while workers are killed", () =>
    survived("partedLeader", { "store: leader cut off": 2, kills: 2, completed: 30 }));
}

if (await isServerAvailable("etcd-cluster")) onEtcd();
if (await isServerAvailable("consul-cluster")) onConsul();

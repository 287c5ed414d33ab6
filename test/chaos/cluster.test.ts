/** The short forms: a cluster of three on each store; `npm run chaos -- cluster-redis 5m` is the long form, with five. */
import { afterAll, describe, expect, it } from "vitest";
import { isServerAvailable } from "../servers/shared-server.ts";
import { type ClusterStore, type Fault, runCluster } from "./cluster-scenario.ts";
import { complaints, report } from "./report.ts";
import type { Outcome } from "./scenario.ts";

const TTL_MS = 2_000;
const outcomes: Outcome[] = [];
afterAll(() => console.log(report(outcomes)));

async function survives(store: ClusterStore, faults: readonly Fault[]): Promise<void> {
  const outcome = await runCluster({ store, nodes: 3, ttlMs: TTL_MS, faults });
  outcomes.push(outcome);
  const wrong = complaints(outcome);
  if (wrong.length > 0) expect.fail(wrong.join("\n"));
  expect(outcome.counts["leaders"]).toBeGreaterThan(faults.length / 2);
  expect(outcome.counts["writes of leaders"]).toBeGreaterThan(20);
  expect(outcome.counts["completed"]).toBeGreaterThan(20);
}

it("sqlite: the leader of a cluster is killed, stopped and asked to leave", () =>
  survives("sqlite", ["killLeader", "freezeLeader", "retireLeader"]));

describe.runIf(await isServerAvailable("postgres"))("postgres", () => {
  it("postgres: the leader of a cluster is killed and cut off, and the store is killed", () =>
    survives("postgres", ["killLeader", "partLeader", "killStore"]));
});

describe.runIf(await isServerAvailable("redis"))("redis", () => {
  it("redis: the leader of a cluster is stopped and cut off, and the store is killed", () =>
    survives("redis", ["freezeLeader", "partLeader", "killStore"]));
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

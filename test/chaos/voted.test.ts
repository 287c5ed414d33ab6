/**
 * The short forms on three servers that vote for a leader, three stores at once; `npm run chaos -- zookeeper-cluster 5m` is a long form. Three servers take seconds
 * to start, so each store has them once for all of its scenarios.
 */
import { test } from "vitest";
import { areHostsAvailable, isServerAvailable } from "../servers/shared-server.ts";
import { type Run, runLanes } from "./run-lanes.ts";
import type { Name } from "./scenarios.ts";
import { votedServer } from "./targets.ts";

const areSplit = await areHostsAvailable();
const ON_ALL: readonly Run[] = [
  ["failOver", 6],
  ["frozenLeader", 6],
  ["partedLeader", 6],
  ...(areSplit ? ([["splitLeader", 6]] as const) : []),
];
/** Its leader serves on without a majority. */
const ON_ZOOKEEPER: readonly Run[] = [...ON_ALL, ["loneLeader", 6]];

const LANES = { etcd: ON_ALL, consul: ON_ALL, zookeeper: ON_ZOOKEEPER } as const;

type Case = Readonly<{ what: string; happened: Readonly<Record<string, number>> }>;
const CASES: Readonly<Partial<Record<Name, Case>>> = {
  failOver: {
    what: "SIGKILL of the leader of three servers: another one leads, and workers go on",
    happened: { "store: failed over": 2 },
  },
  frozenLeader: {
    what: "SIGSTOP of the leader of three servers, while workers are killed",
    happened: { "store: leader frozen": 1, kills: 2 },
  },
  partedLeader: {
    what: "nobody reaches the leader of three servers, while workers are killed",
    happened: { "store: leader cut off": 1, kills: 2 },
  },
  splitLeader: {
    what: "the leader is cut off from the other servers, while workers are killed",
    happened: { "store: leader split off": 2, kills: 2 },
  },
  loneLeader: {
    what: "SIGSTOP of the two others, while workers are killed",
    happened: { "store: leader left alone": 1, kills: 2 },
  },
};

for (const store of ["etcd", "consul", "zookeeper"] as const)
  if (await isServerAvailable(`${store}-cluster`)) onStore(store);

function onStore(store: keyof typeof LANES): void {
  const scheme = `${store}-cluster` as const;
  const survived = runLanes(scheme, [LANES[store]], () => votedServer(scheme, areSplit));
  for (const [name] of LANES[store]) {
    const { what, happened } = CASES[name] ?? { what: name, happened: {} };
    test(`${store}: ${what}`, () => survived(name, { ...happened, completed: 15 }));
  }
}

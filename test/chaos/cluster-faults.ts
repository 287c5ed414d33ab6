/** The faults of clusters, and which store has which. */
import type { Wait } from "./cluster-judge.ts";
import * as nodeFaults from "./cluster-node-faults.ts";
import { patienceMs, type Stage, untilWritten } from "./cluster-stage.ts";
import * as storeFaults from "./cluster-store-faults.ts";
import { canPart, type ClusterStore } from "./cluster-stores.ts";
import { machineMs } from "./log.ts";
import { isVoted } from "./voted-servers.ts";

export const FAULTS = [
  "killLeader",
  "freezeLeader",
  "partLeader",
  "retireLeader",
  "killFollower",
  "freezeFollower",
  "partFollower",
  "killStore",
  "freezeStore",
  "partStore",
  "loneStore",
  "splitStore",
  "killBoth",
  "killLeaderFreezeStore",
  "rollingRestart",
] as const;
export type Fault = (typeof FAULTS)[number];

type Act = (stage: Stage, leader: string, follower: string) => Promise<readonly Wait[]>;

const ACTS: Readonly<Record<Fault, Act>> = { ...nodeFaults, ...storeFaults };

export function hasFault(store: ClusterStore, fault: Fault): boolean {
  switch (fault) {
    case "partLeader":
    case "partFollower":
      return canPart(store);
    case "killStore":
      return store !== "sqlite";
    case "freezeStore":
    case "partStore":
    case "splitStore":
    case "killBoth":
    case "killLeaderFreezeStore":
      return isVoted(store);
    case "loneStore":
      return store === "zookeeper";
    default:
      return true;
  }
}

/** Does it, waits until the cluster is whole again, and tells how long what must come back took. */
export async function inflict(fault: Fault, stage: Stage): Promise<readonly Wait[]> {
  const { nodes } = stage;
  const from = machineMs();
  const isReady = (): boolean => nodes.leader !== undefined && nodes.follower !== undefined && nodes.areMembers;
  await nodes.until(isReady, patienceMs(stage), "").catch(() => undefined);
  const { leader, follower } = nodes;
  if (leader === undefined || follower === undefined)
    return [{ fault, what: "a leader before the fault", from, ms: Infinity, boundMs: patienceMs(stage), without: "" }];
  const waits = await ACTS[fault](stage, leader, follower);
  while (nodes.names.length < stage.size) await nodes.start();
  return [...waits, ...(await untilWritten(stage, fault))];
}

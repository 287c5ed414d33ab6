export type { Board } from "./board.ts";
export { Cluster, insideOf, isCluster } from "./cluster.ts";
export type { ClusterEvents } from "./cluster-events.ts";
export type { ClusterInside, JobsBeside } from "./cluster-inside.ts";
export { CLUSTER_OPTIONS, type ClusterOptions } from "./cluster-options.ts";
export { linesOf, type LineState } from "./lines.ts";
export {
  Election,
  type ElectionEvents,
  type ElectOptions,
  type Leader,
  type Leadership,
  leaderOf,
} from "./election.ts";
export { Lock } from "./lock.ts";
export type { LockOptions } from "./locks.ts";
export { type ClusterNode, nodesOf } from "./members.ts";
export { Subscription, type Gap, type SubscribeOptions } from "./subscription.ts";
export type { Message } from "./topic.ts";

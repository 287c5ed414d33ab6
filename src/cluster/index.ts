export { Cluster, type ClusterEvents } from "./cluster.ts";
export { CLUSTER_OPTIONS, type ClusterOptions } from "./cluster-options.ts";
export { Election, type ElectionEvents, type ElectOptions, type Leader, type Leadership } from "./election.ts";
export { Lock } from "./lock.ts";
export type { LockOptions } from "./locks.ts";
export type { ClusterNode } from "./members.ts";
export { Subscription, type Gap, type SubscribeOptions } from "./subscription.ts";
export type { Message } from "./topic.ts";

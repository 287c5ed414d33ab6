export { ClusterObserver, type ObservedPlan } from "./cluster-observer.ts";
export type { DistributedQueueOptions } from "./distributed-options.ts";
export { DistributedQueue, type DistributedStats } from "./distributed-queue.ts";
export type { MetricsSample, QueueSample } from "./metrics-sample.ts";
export type { Strategy } from "./slot-plan.ts";

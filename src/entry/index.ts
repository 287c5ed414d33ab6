import {
  QueueManager,
  type Job,
  type NewJob,
  type PushOptions,
  type QueueStats,
  type Reserve,
  type ReservedJob,
} from "../core/index.ts";
import { JobferryError } from "../errors/index.ts";
import { memoryQueue } from "./memory.ts";
import { tooOldText } from "./node-version.ts";

// By what is used, not by the version, which other runtimes give as they like. Node.js has it since 22; without it the first call would end with a TypeError.
if (typeof Promise.withResolvers !== "function") throw new JobferryError("UNSUPPORTED", tooOldText());

export type {
  Capabilities,
  Clock,
  Driver,
  Durability,
  ErrorCode,
  JobFailure,
  JobState,
  Logger,
  Timer,
} from "../contract/index.ts";
export {
  isJobferryError,
  isPermanent,
  JobferryError,
  LeaseLostError,
  PermanentError,
  UnsupportedError,
} from "../errors/index.ts";
export { type Duration, parseDuration, systemClock } from "../runtime/index.ts";
export {
  type Attempts,
  type Backoff,
  BatchError,
  createJob,
  defineJob,
  deserializeJob,
  Emitter,
  type Encodable,
  type Filter,
  type Handler,
  type Job,
  type JobContext,
  type JobDefinition,
  type JobOptions,
  type JobRecord,
  type Keep,
  type Listener,
  type NewJob,
  type Outcome,
  type PushOptions,
  Queue,
  QueueManager,
  type QueueOptions,
  type QueueStats,
  type Records,
  type RecordsPage,
  type Reserve,
  type ReservedJob,
  type Route,
  type Routes,
  serializeJob,
  typed,
  type Work,
} from "../core/index.ts";
export {
  type JobIn,
  loadWork,
  type PoolOptions,
  type PoolStats,
  type Queues,
  type StopOptions,
  type StopReason,
  Worker,
  type WorkerEvents,
  type WorkerOptions,
  WorkerPool,
} from "../worker/index.ts";
export {
  Cluster,
  type ClusterEvents,
  type ClusterNode,
  type ClusterOptions,
  Election,
  type ElectionEvents,
  type ElectOptions,
  type Gap,
  type Leader,
  type Leadership,
  type LineState,
  Lock,
  type LockOptions,
  type Message,
  type SubscribeOptions,
  Subscription,
} from "../cluster/index.ts";
export {
  ClusterObserver,
  DistributedQueue,
  type DistributedQueueOptions,
  type DistributedStats,
  type MetricsSample,
  type ObservedPlan,
  type QueueSample,
  type Strategy,
} from "../distributed/index.ts";
export { memoryCluster, type MemoryClusterOptions, memoryQueue, type MemoryQueueOptions } from "./memory.ts";
export { MemoryCoordination } from "../drivers/memory/coordination-store.ts";
export { type ClusterUrlOptions, createCluster } from "./create-cluster.ts";
export { createQueue, type QueueUrlOptions } from "./create-queue.ts";

/** The default manager, which the top-level functions work on. */
export const queues: QueueManager = new QueueManager();

/** Registers a memory queue as "default", when nothing is registered under that name yet. */
export function init(): QueueManager {
  if (!queues.has("default")) queues.extend("default", memoryQueue());
  return queues;
}

/** @throws NO_DEFAULT_QUEUE before any `init()` or `queues.extend()`. */
export function push(job: NewJob, options?: PushOptions): Promise<Job> {
  return queues.push(job, options);
}

/** Pushes through the connection `name`; the job keeps its own queue. @throws QUEUE_UNKNOWN */
export function pushTo(name: string, job: NewJob, options?: PushOptions): Promise<Job> {
  return queues.pushTo(name, job, options);
}

export function pop(options?: Reserve): Promise<ReservedJob | undefined> {
  return queues.pop(options);
}

export function getStats(queue?: string): Promise<QueueStats> {
  return queues.getStats(queue);
}

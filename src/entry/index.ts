import {
  Queue,
  QueueManager,
  QUEUE_OPTIONS,
  type Job,
  type NewJob,
  type PushOptions,
  type QueueOptions,
  type QueueStats,
  type Reserve,
  type ReservedJob,
} from "../core/index.ts";
import { Cluster, CLUSTER_OPTIONS, type ClusterOptions } from "../cluster/index.ts";
import { type MemoryCoordination, memoryCoordinationStore, memoryOf } from "../drivers/memory/coordination-store.ts";
import { memoryDriver } from "../drivers/memory/memory-driver.ts";
import { checkOptions, systemClock } from "../runtime/index.ts";

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
  Lock,
  type LockOptions,
  type Message,
  type SubscribeOptions,
  Subscription,
} from "../cluster/index.ts";
export {
  DistributedQueue,
  type DistributedQueueOptions,
  type DistributedStats,
  type MetricsSample,
  type QueueSample,
  type Strategy,
} from "../distributed/index.ts";
export { MemoryCoordination } from "../drivers/memory/coordination-store.ts";
export { createQueue } from "./create-queue.ts";

export type MemoryQueueOptions = QueueOptions &
  Readonly<{
    /** Default true: jobs hold a copy of their payload. false hands the value itself over: faster, but changes show through. */
    copy?: boolean;
  }>;

/** A queue in this process's memory. Nothing survives the process. */
export function memoryQueue(options: MemoryQueueOptions = {}): Queue {
  checkOptions("memoryQueue", options, [...QUEUE_OPTIONS, "copy"]);
  const { copy, ...rest } = options;
  return new Queue(memoryDriver(copy === undefined ? {} : { copy }), rest);
}

export type MemoryClusterOptions = ClusterOptions &
  Readonly<{
    /** What the nodes share. Default: one memory for the whole process. */
    memory?: MemoryCoordination;
  }>;

/** A node of a cluster within this process. */
export function memoryCluster(options: MemoryClusterOptions): Cluster {
  checkOptions("memoryCluster", options, [...CLUSTER_OPTIONS, "memory"]);
  const { memory = memoryOf(options.clock ?? systemClock), ...rest } = options;
  return new Cluster(memoryCoordinationStore(memory), rest, () => ({ queue: jobsIn(memory, rest), isShared: true }));
}

const jobsOfMemory = new WeakMap<MemoryCoordination, Queue>();

/** All nodes on one memory share one queue. It holds nothing but memory, so nobody has to close it. */
function jobsIn(memory: MemoryCoordination, { clock, logger }: ClusterOptions): Queue {
  const known = jobsOfMemory.get(memory);
  if (known !== undefined) return known;
  const made = memoryQueue({ ...(clock === undefined ? {} : { clock }), ...(logger === undefined ? {} : { logger }) });
  jobsOfMemory.set(memory, made);
  return made;
}

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

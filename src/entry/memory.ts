import { Cluster, CLUSTER_OPTIONS, type ClusterOptions } from "../cluster/index.ts";
import { Queue, QUEUE_OPTIONS, type QueueOptions } from "../core/index.ts";
import { type MemoryCoordination, memoryCoordinationStore, memoryOf } from "../drivers/memory/coordination-store.ts";
import { memoryDriver } from "../drivers/memory/memory-driver.ts";
import { checkOptions, systemClock } from "../runtime/index.ts";

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
  checkOptions("memoryCluster", options ?? null, [...CLUSTER_OPTIONS, "memory"]);
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

import { Cluster, CLUSTER_OPTIONS, type ClusterOptions } from "../cluster/index.ts";
import type { Driver } from "../contract/index.ts";
import { Queue, QUEUE_OPTIONS, type QueueOptions } from "../core/index.ts";
import { consulCoordinationStore, type ConsulDriverOptions } from "../drivers/consul/index.ts";
import { COORDINATED_OPTIONS, coordinatedDriver, type CoordinatedOptions } from "../drivers/coordinated/index.ts";
import { checkOptions, given } from "../runtime/index.ts";

export type { ConsulTls } from "../drivers/consul/index.ts";

/** `durability` is the least that a resolved push must survive. */
export type ConsulQueueOptions = QueueOptions & Omit<ConsulDriverOptions, "address"> & CoordinatedOptions;

const PLACE_OPTIONS = ["token", "tls", "prefix", "callTimeout", "connectTimeout"] as const;
const STORE_OPTIONS = ["address", ...PLACE_OPTIONS] as const;

/**
 * A queue on Consul, for few jobs: at most 10,000 that wait, and 64 MiB of them, unless `maxBacklog` and `maxBacklogBytes` say otherwise.
 * @param address `host:port`, `consul://[:TOKEN@]host:port`, with TLS `consuls://…`; several with commas between them or in an array.
 */
export function consulQueue(address: string | readonly string[], options: ConsulQueueOptions = {}): Queue {
  checkOptions("consulQueue", options, [...QUEUE_OPTIONS, ...PLACE_OPTIONS, ...COORDINATED_OPTIONS]);
  const driver = driverOn({ address, ...given(options, PLACE_OPTIONS) }, given(options, COORDINATED_OPTIONS));
  return new Queue(driver, given(options, QUEUE_OPTIONS));
}

export type ConsulClusterOptions = ClusterOptions & ConsulDriverOptions;

/**
 * A node of a cluster of any number of processes that share a Consul datacenter. `electionTimeout` and lock time-outs must not be below the servers'
 * `session_ttl_min` (10 s unless it was changed), and a node that dies is missed after twice its time-out. Jobs of a DistributedQueue lie there too,
 * unless it is given another queue.
 */
export function consulCluster(options: ConsulClusterOptions): Cluster {
  checkOptions("consulCluster", options ?? null, [...CLUSTER_OPTIONS, ...STORE_OPTIONS]);
  const place = given(options, STORE_OPTIONS) as ConsulDriverOptions;
  const jobs = (): Readonly<{ queue: Queue; isShared: boolean }> => {
    const queue = new Queue(driverOn(place, {}), given(options, ["clock", "logger"]));
    return { queue, isShared: false };
  };
  return new Cluster(consulCoordinationStore(place), given(options, CLUSTER_OPTIONS) as ClusterOptions, jobs);
}

function driverOn(place: ConsulDriverOptions, options: CoordinatedOptions): Driver {
  const connect = (): ReturnType<typeof consulCoordinationStore> => consulCoordinationStore(place);
  return coordinatedDriver({ name: "consul", connect, ...options });
}

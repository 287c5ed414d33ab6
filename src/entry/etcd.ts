import { Cluster, CLUSTER_OPTIONS, type ClusterOptions } from "../cluster/index.ts";
import { Queue, QUEUE_OPTIONS, type QueueOptions } from "../core/index.ts";
import { COORDINATED_OPTIONS, coordinatedDriver, type CoordinatedOptions } from "../drivers/coordinated/index.ts";
import { ETCD_OPTIONS, etcdCoordinationStore, type EtcdStoreOptions } from "../drivers/etcd/index.ts";
import type { Driver } from "../contract/index.ts";
import { checkOptions, given } from "../runtime/index.ts";

/** `durability` is the least that a resolved push must survive. */
export type EtcdQueueOptions = QueueOptions & Omit<EtcdStoreOptions, "url" | "endpoints"> & CoordinatedOptions;

const STORE_OPTIONS = ETCD_OPTIONS.filter((name) => name !== "url" && name !== "endpoints");

/**
 * A queue on etcd (3.4 or newer), for few jobs: at most 10,000 that wait, and 64 MiB of them, unless `maxBacklog` and `maxBacklogBytes` say otherwise.
 * @param target a URL (`etcd://[user:password@]host:2379,host:2379`, `etcds://` for TLS), or the endpoints of one cluster: `host:2379,host:2379`, or an array.
 */
export function etcdQueue(target: string | readonly string[], options: EtcdQueueOptions = {}): Queue {
  checkOptions("etcdQueue", options, [...QUEUE_OPTIONS, ...STORE_OPTIONS, ...COORDINATED_OPTIONS]);
  const place = placeOf(target);
  const driver = driverOn({ ...place, ...given(options, STORE_OPTIONS) }, given(options, COORDINATED_OPTIONS));
  return new Queue(driver, given(options, QUEUE_OPTIONS));
}

export type EtcdClusterOptions = ClusterOptions & EtcdStoreOptions;

/**
 * A node of a cluster of any number of processes that share an etcd (3.4 or newer). Jobs of a DistributedQueue lie there too, unless it is given
 * another queue.
 */
export function etcdCluster(options: EtcdClusterOptions): Cluster {
  checkOptions("etcdCluster", options ?? null, [...CLUSTER_OPTIONS, ...ETCD_OPTIONS]);
  const place = given(options, ETCD_OPTIONS);
  const jobs = (): Readonly<{ queue: Queue; isShared: boolean }> => {
    const queue = new Queue(driverOn(place, {}), given(options, ["clock", "logger"]));
    return { queue, isShared: false };
  };
  return new Cluster(etcdCoordinationStore(place), given(options, CLUSTER_OPTIONS) as ClusterOptions, jobs);
}

function placeOf(target: string | readonly string[]): EtcdStoreOptions {
  if (typeof target !== "string") return { endpoints: target };
  return target.includes("://") ? { url: target } : { endpoints: target.split(",") };
}

function driverOn(place: EtcdStoreOptions, options: CoordinatedOptions): Driver {
  return coordinatedDriver({ name: "etcd", connect: () => etcdCoordinationStore(place), ...options });
}

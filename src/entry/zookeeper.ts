import { Cluster, CLUSTER_OPTIONS, type ClusterOptions } from "../cluster/index.ts";
import type { Driver } from "../contract/index.ts";
import { Queue, QUEUE_OPTIONS, type QueueOptions } from "../core/index.ts";
import { COORDINATED_OPTIONS, coordinatedDriver, type CoordinatedOptions } from "../drivers/coordinated/index.ts";
import { ZOOKEEPER_OPTIONS, zookeeperCoordinationStore, type ZookeeperOptions } from "../drivers/zookeeper/index.ts";
import { checkOptions, given } from "../runtime/index.ts";

export type { ZookeeperTls } from "../drivers/zookeeper/index.ts";

/** `durability` is the least that a resolved push must survive. */
export type ZookeeperQueueOptions = QueueOptions & Omit<ZookeeperOptions, "url" | "servers"> & CoordinatedOptions;

const PLACE_OPTIONS = ZOOKEEPER_OPTIONS.filter((name) => name !== "url" && name !== "servers");

/**
 * A queue on ZooKeeper (3.6 or newer), for few jobs: at most 10,000 that wait, and 64 MiB of them, unless `maxBacklog` and `maxBacklogBytes` say otherwise.
 * @param target a URL (`zookeeper://user:password@host:port,host:port/root`, `zookeepers://` for TLS), or the servers of one ensemble: `host:port,host:port`, or an array.
 */
export function zookeeperQueue(target: string | readonly string[], options: ZookeeperQueueOptions = {}): Queue {
  checkOptions("zookeeperQueue", options, [...QUEUE_OPTIONS, ...PLACE_OPTIONS, ...COORDINATED_OPTIONS]);
  const place = typeof target === "string" && target.includes("://") ? { url: target } : { servers: target };
  const driver = driverOn({ ...place, ...given(options, PLACE_OPTIONS) }, given(options, COORDINATED_OPTIONS));
  return new Queue(driver, given(options, QUEUE_OPTIONS));
}

export type ZookeeperClusterOptions = ClusterOptions & ZookeeperOptions;

/**
 * A node of a cluster of any number of processes that share a ZooKeeper (3.6 or newer), one server or an ensemble. Jobs of a DistributedQueue lie
 * there too, unless it is given another queue. The servers bound `electionTimeout` and `lockTimeout`, by default to 4 to 40 seconds.
 */
export function zookeeperCluster(options: ZookeeperClusterOptions): Cluster {
  checkOptions("zookeeperCluster", options ?? null, [...CLUSTER_OPTIONS, ...ZOOKEEPER_OPTIONS]);
  const place = given(options, ZOOKEEPER_OPTIONS);
  const jobs = (): Readonly<{ queue: Queue; isShared: boolean }> => {
    const queue = new Queue(driverOn(place, {}), given(options, ["clock", "logger"]));
    return { queue, isShared: false };
  };
  return new Cluster(zookeeperCoordinationStore(place), given(options, CLUSTER_OPTIONS) as ClusterOptions, jobs);
}

function driverOn(place: ZookeeperOptions, options: CoordinatedOptions): Driver {
  const connect = (): ReturnType<typeof zookeeperCoordinationStore> => zookeeperCoordinationStore(place);
  return coordinatedDriver({ name: "zookeeper", connect, ...options });
}

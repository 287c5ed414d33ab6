import { Cluster, CLUSTER_OPTIONS, type ClusterOptions } from "../cluster/index.ts";
import { ZOOKEEPER_OPTIONS, zookeeperCoordinationStore, type ZookeeperOptions } from "../drivers/zookeeper/index.ts";
import { checkOptions } from "../runtime/index.ts";

export type { ZookeeperTls } from "../drivers/zookeeper/index.ts";

export type ZookeeperClusterOptions = ClusterOptions & ZookeeperOptions;

/**
 * A node of a cluster of any number of processes that share a ZooKeeper (3.6 or newer), one server or an ensemble. It keeps no jobs there: a
 * DistributedQueue on it is given its queue. The servers bound `electionTimeout` and `lockTimeout`, by default to 4 to 40 seconds.
 */
export function zookeeperCluster(options: ZookeeperClusterOptions): Cluster {
  checkOptions("zookeeperCluster", options, [...CLUSTER_OPTIONS, ...ZOOKEEPER_OPTIONS]);
  const store = zookeeperCoordinationStore(given(options, ZOOKEEPER_OPTIONS));
  return new Cluster(store, given(options, CLUSTER_OPTIONS) as ClusterOptions);
}

function given(options: object, names: readonly string[]): object {
  return Object.fromEntries(
    Object.entries(options).filter(([name, value]) => names.includes(name) && value !== undefined),
  );
}

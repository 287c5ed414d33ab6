import { Cluster, CLUSTER_OPTIONS, type ClusterOptions } from "../cluster/index.ts";
import { ETCD_OPTIONS, etcdCoordinationStore, type EtcdStoreOptions } from "../drivers/etcd/index.ts";
import { checkOptions } from "../runtime/index.ts";

export type EtcdClusterOptions = ClusterOptions & EtcdStoreOptions;

/**
 * A node of a cluster of any number of processes that share an etcd (3.4 or newer). It keeps no jobs yet: a DistributedQueue needs a `queue`.
 */
export function etcdCluster(options: EtcdClusterOptions): Cluster {
  checkOptions("etcdCluster", options, [...CLUSTER_OPTIONS, ...ETCD_OPTIONS]);
  const store = etcdCoordinationStore(given(options, ETCD_OPTIONS));
  return new Cluster(store, given(options, CLUSTER_OPTIONS) as ClusterOptions);
}

function given(options: object, names: readonly string[]): object {
  return Object.fromEntries(
    Object.entries(options).filter(([name, value]) => names.includes(name) && value !== undefined),
  );
}

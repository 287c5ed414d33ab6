import { Cluster, CLUSTER_OPTIONS, type ClusterOptions } from "../cluster/index.ts";
import { consulCoordinationStore, type ConsulDriverOptions } from "../drivers/consul/index.ts";
import { checkOptions } from "../runtime/index.ts";

export type { ConsulTls } from "../drivers/consul/index.ts";

export type ConsulClusterOptions = ClusterOptions & ConsulDriverOptions;

const STORE_OPTIONS = ["address", "token", "tls", "prefix", "callTimeout", "connectTimeout"] as const;

/**
 * A node of a cluster of any number of processes that share a Consul datacenter. `electionTimeout` and lock time-outs must not be below the servers'
 * `session_ttl_min` (10 s unless it was changed), and a node that dies is missed after twice its time-out. A DistributedQueue on it wants a `queue`.
 */
export function consulCluster(options: ConsulClusterOptions): Cluster {
  checkOptions("consulCluster", options, [...CLUSTER_OPTIONS, ...STORE_OPTIONS]);
  const store = consulCoordinationStore(given(options, STORE_OPTIONS) as ConsulDriverOptions);
  return new Cluster(store, given(options, CLUSTER_OPTIONS) as ClusterOptions);
}

function given(options: object, names: readonly string[]): object {
  return Object.fromEntries(
    Object.entries(options).filter(([name, value]) => names.includes(name) && value !== undefined),
  );
}

/** Where a cluster of the tests lives, as a child process is told it. */
import type { Cluster, ClusterOptions } from "../../../src/entry/index.ts";
import { etcdCluster } from "../../../src/entry/etcd.ts";
import { consulCluster } from "../../../src/entry/consul.ts";
import { postgresCluster } from "../../../src/entry/postgres.ts";
import { redisCluster } from "../../../src/entry/redis.ts";
import { sqliteCluster } from "../../../src/entry/sqlite.ts";
import { zookeeperCluster } from "../../../src/entry/zookeeper.ts";

export type Place =
  | Readonly<{ kind: "sqlite"; path: string }>
  | Readonly<{ kind: "etcd"; url: string; prefix: string }>
  | Readonly<{ kind: "postgres"; url: string; schema: string }>
  | Readonly<{ kind: "redis"; url: string; prefix: string; library?: "ioredis" | "redis"; replicas?: number }>
  | Readonly<{ kind: "consul"; address: string; prefix: string }>
  | Readonly<{ kind: "zookeeper"; servers: string; root: string }>;

export function clusterIn(place: Place, options: ClusterOptions): Cluster {
  switch (place.kind) {
    case "sqlite":
      return sqliteCluster(place.path, options);
    case "etcd":
      return etcdCluster({ ...options, url: place.url, prefix: place.prefix });
    case "postgres":
      return postgresCluster({ ...options, url: place.url, schema: place.schema });
    case "redis":
      return redisCluster({
        ...options,
        url: place.url,
        prefix: place.prefix,
        ...(place.library === undefined ? {} : { library: place.library }),
        ...(place.replicas === undefined ? {} : { replicas: place.replicas }),
      });
    case "consul":
      return consulCluster({ ...options, address: place.address, prefix: place.prefix });
    case "zookeeper":
      return zookeeperCluster({ ...options, servers: place.servers, root: place.root });
  }
}

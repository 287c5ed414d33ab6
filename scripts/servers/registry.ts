/** All kinds of servers: one file and one line each. */
import { consul, consulCluster } from "./consul.ts";
import { etcd, etcd34 } from "./etcd.ts";
import { etcdCluster } from "./etcd-cluster.ts";
import { postgres, postgres12, postgres18 } from "./postgres.ts";
import { postgresPgbouncer } from "./postgres-pgbouncer.ts";
import { rabbitmq, rabbitmq4 } from "./rabbitmq.ts";
import { redisCluster } from "./redis-cluster.ts";
import { redisSentinel } from "./redis-sentinel.ts";
import { redis, redis62, valkey } from "./redis.ts";
import { zookeeper38Cluster, zookeeperCluster } from "./zookeeper-cluster.ts";
import { zookeeper, zookeeper38 } from "./zookeeper.ts";

export const serverKinds = {
  consul,
  "consul-cluster": consulCluster,
  etcd,
  "etcd-3.4": etcd34,
  "etcd-cluster": etcdCluster,
  postgres,
  "postgres-12": postgres12,
  "postgres-18": postgres18,
  "postgres-pgbouncer": postgresPgbouncer,
  rabbitmq,
  "rabbitmq-4": rabbitmq4,
  redis,
  "redis-6.2": redis62,
  "redis-cluster": redisCluster,
  "redis-sentinel": redisSentinel,
  valkey,
  zookeeper,
  "zookeeper-3.8": zookeeper38,
  "zookeeper-3.8-cluster": zookeeper38Cluster,
  "zookeeper-cluster": zookeeperCluster,
} as const;

export type ServerName = keyof typeof serverKinds;

/** The options of a kind. */
export type OptionsOf<Name extends ServerName> = Parameters<(typeof serverKinds)[Name]["start"]>[0];

export function isServerName(name: string): name is ServerName {
  return Object.hasOwn(serverKinds, name);
}

import { type Cluster, CLUSTER_OPTIONS, type ClusterOptions } from "../cluster/index.ts";
import { JobferryError } from "../errors/index.ts";
import { checkOptions, nearest } from "../runtime/index.ts";
import { memoryCluster } from "./memory.ts";
import { sqlitePathIn } from "./sqlite-path.ts";

const REDIS = ["redis", "redis+sentinel", "redis+cluster", "rediss", "rediss+sentinel", "rediss+cluster"];
const ETCD = ["etcd", "etcds"];
const CONSUL = ["consul", "consuls"];
const WITH_PREFIX = [...REDIS, ...ETCD, ...CONSUL];
const SCHEMES = ["memory", "sqlite", "postgres", "postgresql", ...WITH_PREFIX, "zookeeper", "zookeepers"];

export type ClusterUrlOptions = ClusterOptions &
  Readonly<{
    /** Redis, etcd and Consul: the prefix of the store's keys. */
    prefix?: string;
    /** Redis: how many replicas must have what the cluster writes before it counts. Default 0. */
    replicas?: number;
  }>;

/**
 * A node of the cluster at a URL, which joins with `start()`: nothing is opened before. Jobs of a DistributedQueue lie in the same store.
 * `memory:`, `sqlite:./cluster.db`, `postgres://…`, `redis://…` (`redis+sentinel://`, `redis+cluster://`; `rediss` for TLS),
 * `etcd://host:2379,host:2379` (`etcds` for TLS), `consul://host:8500` (`consuls`), `zookeeper://host,host/root` (`zookeepers`).
 * @throws INVALID_ARGUMENT for an unknown scheme, and for options that are wrong or do not fit the store.
 */
export async function createCluster(url: string, options: ClusterUrlOptions): Promise<Cluster> {
  checkOptions("createCluster", options ?? null, [...CLUSTER_OPTIONS, "prefix", "replicas"]);
  const { prefix, replicas, ...rest } = options;
  const [, scheme = "", place = ""] = /^([a-z][a-z0-9+.-]*):(.*)$/is.exec(url) ?? [];
  const known = scheme.toLowerCase();
  if (prefix !== undefined && !WITH_PREFIX.includes(known))
    throw new JobferryError("INVALID_ARGUMENT", "prefix is an option of Redis, etcd and Consul clusters only.");
  if (replicas !== undefined && !REDIS.includes(known))
    throw new JobferryError("INVALID_ARGUMENT", "replicas is an option of Redis clusters only.");
  const prefixed = prefix === undefined ? rest : { ...rest, prefix };
  switch (known) {
    case "memory":
      if (place !== "")
        throw new JobferryError("INVALID_ARGUMENT", "A memory cluster has no name or place. Use memory:");
      return memoryCluster(rest);
    case "sqlite": {
      const { sqliteCluster } = await import("./sqlite.ts");
      return sqliteCluster(sqlitePathIn(place), rest);
    }
    case "postgres":
    case "postgresql": {
      const { postgresCluster } = await import("./postgres.ts");
      return postgresCluster({ url, ...rest });
    }
    case "etcd":
    case "etcds": {
      const { etcdCluster } = await import("./etcd.ts");
      return etcdCluster({ url, ...prefixed });
    }
    case "consul":
    case "consuls": {
      const { consulCluster } = await import("./consul.ts");
      return consulCluster({ address: url, ...prefixed });
    }
    case "zookeeper":
    case "zookeepers": {
      const { zookeeperCluster } = await import("./zookeeper.ts");
      return zookeeperCluster({ url, ...rest });
    }
    default: {
      if (!REDIS.includes(known)) throw unknownScheme(scheme);
      const { redisCluster } = await import("./redis.ts");
      return redisCluster({ url, ...prefixed, ...(replicas === undefined ? {} : { replicas }) });
    }
  }
}

/** Names the scheme only, and only where it is one: what stands around it may hold a password. */
function unknownScheme(scheme: string): JobferryError {
  const known = "Known: memory:, sqlite:PATH, postgres://, redis://, etcd://, consul://, zookeeper://.";
  if (/^amqps?$/i.test(scheme)) {
    const text = `RabbitMQ cannot carry a cluster. Take another store for it, and hand the queue to the DistributedQueue. ${known}`;
    return new JobferryError("INVALID_ARGUMENT", text);
  }
  const meant = nearest(scheme, SCHEMES);
  const hint = meant === undefined ? "" : ` Did you mean "${meant}:"?`;
  const what = scheme === "" ? "The URL has no scheme" : `The URL's scheme "${scheme.slice(0, 20)}:" is not known`;
  return new JobferryError("INVALID_ARGUMENT", `${what}.${hint} ${known}`);
}

import { Queue, type QueueOptions } from "../core/index.ts";
import { memoryDriver } from "../drivers/memory/memory-driver.ts";
import { JobferryError } from "../errors/index.ts";
import { type Duration, nearest } from "../runtime/index.ts";
import { sqlitePathIn } from "./sqlite-path.ts";

const REDIS = ["redis", "redis+sentinel", "redis+cluster", "rediss", "rediss+sentinel", "rediss+cluster"];
const COORDINATED = ["etcd", "etcds", "consul", "consuls", "zookeeper", "zookeepers"];
const SCHEMES = ["memory", "sqlite", "postgres", "postgresql", "amqp", "amqps", ...REDIS, ...COORDINATED];

export type QueueUrlOptions = QueueOptions &
  Readonly<{
    /** Redis, RabbitMQ, etcd and Consul: the prefix of the store's names. */
    prefix?: string;
    /** Redis: in how many parts the store is made. */
    partitions?: number;
    /** Redis: how many replicas must have what is written before it counts. */
    replicas?: number;
    /** etcd, Consul and ZooKeeper: how many jobs may wait in the whole store. Default 10,000. */
    maxBacklog?: number;
    /** The same three: how many bytes these may have together. Default 64 MiB. */
    maxBacklogBytes?: number;
    /** etcd, Consul and ZooKeeper: the time to live of this process's session. Default "10s". */
    sessionTtl?: Duration;
  }>;

/**
 * An open queue for a URL: `memory:`, `sqlite:./jobs.db`, `postgres://user@host/database` (with TLS: `?sslmode=verify-full`),
 * `redis://host:6379` (`redis+sentinel://`, `redis+cluster://`; `rediss` for TLS), `amqp://user:password@host/vhost` (RabbitMQ; `amqps` for TLS),
 * `etcd://host:2379,host:2379` (`etcds`), `consul://host:8500` (`consuls`), `zookeeper://host,host/root` (`zookeepers`).
 * @throws INVALID_ARGUMENT for an unknown scheme, and for options that are wrong or do not fit the store; what opening throws.
 */
export async function createQueue(url: string, options?: QueueUrlOptions): Promise<Queue> {
  const [, scheme = "", rest = ""] = /^([a-z][a-z0-9+.-]*):(.*)$/is.exec(url) ?? [];
  switch (scheme.toLowerCase()) {
    case "memory":
      if (rest !== "") throw new JobferryError("INVALID_ARGUMENT", "A memory queue has no name or place. Use memory:");
      return opened(new Queue(memoryDriver(), options));
    case "sqlite": {
      const { sqliteQueue } = await import("./sqlite.ts");
      return opened(sqliteQueue(sqlitePathIn(rest), options));
    }
    case "postgres":
    case "postgresql": {
      const { postgresQueue } = await import("./postgres.ts");
      // Whoever asks by URL pushes in no transaction of theirs.
      return opened(postgresQueue(url, options) as unknown as Queue);
    }
    case "amqp":
    case "amqps": {
      const { rabbitmqQueue } = await import("./rabbitmq.ts");
      return opened(rabbitmqQueue(url, options));
    }
    case "etcd":
    case "etcds": {
      const { etcdQueue } = await import("./etcd.ts");
      return opened(etcdQueue(url, options));
    }
    case "consul":
    case "consuls": {
      const { consulQueue } = await import("./consul.ts");
      return opened(consulQueue(url, options));
    }
    case "zookeeper":
    case "zookeepers": {
      const { zookeeperQueue } = await import("./zookeeper.ts");
      return opened(zookeeperQueue(url, options));
    }
    default: {
      if (!REDIS.includes(scheme.toLowerCase())) throw unknownScheme(scheme);
      const { redisQueue } = await import("./redis.ts");
      return opened(redisQueue(url, options));
    }
  }
}

/** Who never gets the queue cannot close it. */
async function opened(queue: Queue): Promise<Queue> {
  try {
    return await queue.open();
  } catch (error) {
    await queue.close().catch(() => undefined);
    throw error;
  }
}

/** Names the scheme only, and only where it is one: what stands around it may hold a password. */
function unknownScheme(scheme: string): JobferryError {
  const meant = nearest(scheme, SCHEMES);
  const hint = meant === undefined ? "" : ` Did you mean "${meant}:"?`;
  const what = scheme === "" ? "The URL has no scheme" : `The URL's scheme "${scheme.slice(0, 20)}:" is not known`;
  return new JobferryError(
    "INVALID_ARGUMENT",
    `${what}.${hint} Known: memory:, sqlite:PATH, postgres://, redis://, amqp://, etcd://, consul://, zookeeper://.`,
  );
}

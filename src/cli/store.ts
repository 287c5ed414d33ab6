import { createQueue, JobferryError, type Queue, type QueueOptions } from "../entry/index.ts";

/** The global options that say which store is meant, and how. */
export type StoreOptions = Readonly<{
  url?: string;
  /** The URL of the store that keeps what a broker cannot: failed jobs one by one, and long delays. */
  records?: string;
  prefix?: string;
  partitions?: number;
}>;

type Place = Readonly<{
  url: string;
  records: Queue | undefined;
  prefix: string | undefined;
  partitions: number | undefined;
}>;

const PREFIXED = /^(rediss?(\+[a-z]+)?|amqps?|etcds?|consuls?):/i;

/** An open queue for a URL and what a URL cannot say. */
export async function openStore(place: Place, options: QueueOptions): Promise<Queue> {
  const queue = await makeQueue(place, options);
  try {
    return await queue.open();
  } catch (error) {
    await queue.close().catch(() => undefined); // who never gets the queue cannot close it
    throw error;
  }
}

/**
 * An option that the backend has no use for is refused, not ignored: before anything is opened, because opening makes the file of the records.
 * @throws INVALID_ARGUMENT
 */
export async function checkStore(
  url: string,
  { records, prefix, partitions }: Pick<StoreOptions, "records" | "prefix" | "partitions">,
): Promise<void> {
  if (partitions !== undefined && !isRedis(url)) throw useless("--partitions", "It belongs to Redis.");
  if (records !== undefined && !isBroker(url)) throw useless("--records", "It keeps every job one by one itself.");
  if (prefix !== undefined && !PREFIXED.test(url))
    throw useless(
      "--prefix",
      "It belongs to Redis, RabbitMQ, etcd and Consul; a schema of PostgreSQL (?schema=NAME) and a root of ZooKeeper (/root) stand in the URL.",
    );
  // What is wrong with the broker's own options is told when its queue is made, which opens nothing.
  if (isBroker(url)) await makeQueue({ url, records: undefined, prefix, partitions }, {});
}

async function makeQueue({ url, records, prefix, partitions }: Place, options: QueueOptions): Promise<Queue> {
  const named = prefix === undefined ? {} : { prefix };
  if (isBroker(url)) {
    const { rabbitmqQueue } = await import("../entry/rabbitmq.ts");
    return rabbitmqQueue(url, { ...options, ...named, ...(records === undefined ? {} : { records }) });
  }
  if (isRedis(url)) {
    const { redisQueue } = await import("../entry/redis.ts");
    return redisQueue(url, { ...options, ...named, ...(partitions === undefined ? {} : { partitions }) });
  }
  if (/^etcds?:/i.test(url)) {
    const { etcdQueue } = await import("../entry/etcd.ts");
    return etcdQueue(url, { ...options, ...named });
  }
  if (/^consuls?:/i.test(url)) {
    const { consulQueue } = await import("../entry/consul.ts");
    return consulQueue(url, { ...options, ...named });
  }
  return createQueue(url, options);
}

/** Moves jobs and gives no access to single ones. */
function isBroker(url: string): boolean {
  return /^amqps?:/i.test(url);
}

function isRedis(url: string): boolean {
  return /^rediss?(\+[a-z]+)?:/i.test(url);
}

function useless(option: string, reason: string): JobferryError {
  return new JobferryError("INVALID_ARGUMENT", `${option} means nothing to this backend. ${reason} Leave it out.`);
}

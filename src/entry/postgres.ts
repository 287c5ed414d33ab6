import { Cluster, CLUSTER_OPTIONS, type ClusterOptions } from "../cluster/index.ts";
import { Queue, QUEUE_OPTIONS, type QueueOptions } from "../core/index.ts";
import {
  migratePostgres as migrateStore,
  POSTGRES_OPTIONS,
  postgresCoordinationStore,
  postgresDriver,
  type PostgresDriverOptions,
  type PostgresTransaction,
} from "../drivers/postgres/index.ts";
import { invalidArgument } from "../errors/index.ts";
import { checkOptions } from "../runtime/index.ts";

export type {
  KyselyTransaction,
  PgTransaction,
  PostgresClient,
  PostgresJsTransaction,
  PostgresPool,
  PostgresTransaction,
} from "../drivers/postgres/index.ts";

/** `durability` is the least that a resolved push must survive; what the server gives is found when the queue opens. */
export type PostgresQueueOptions = QueueOptions & PostgresDriverOptions;

/** Of a cluster's store. */
const CALL_TIMEOUT = "3s";
const PUBLIC_OPTIONS = [...QUEUE_OPTIONS, ...POSTGRES_OPTIONS];

/**
 * A durable queue in a schema of a PostgreSQL server (12 or newer), for any number of processes.
 * @param target a URL, or options with `url`, `connection` or `client` (a Pool of `pg`).
 */
export function postgresQueue(
  target: string | PostgresQueueOptions,
  options: PostgresQueueOptions = {},
): Queue<PostgresTransaction> {
  const given = together(target, options);
  checkOptions("postgresQueue", given, PUBLIC_OPTIONS);
  const driver = postgresDriver(pick(given, POSTGRES_OPTIONS) as PostgresDriverOptions);
  return new Queue<PostgresTransaction>(driver, pick(given, QUEUE_OPTIONS) as QueueOptions);
}

export type PostgresClusterOptions = ClusterOptions & PostgresDriverOptions;

/**
 * A node of a cluster of any number of processes that share a schema of a PostgreSQL server. It may be the schema of a queue; jobs of a
 * DistributedQueue lie there too, unless it is given another queue.
 */
export function postgresCluster(options: PostgresClusterOptions): Cluster {
  checkOptions("postgresCluster", options ?? null, [...CLUSTER_OPTIONS, ...POSTGRES_OPTIONS]);
  const place = pick(options, POSTGRES_OPTIONS) as PostgresDriverOptions;
  // A call that takes longer than a session lives is of no use, and its connection is another call's.
  const store = postgresCoordinationStore({ callTimeout: CALL_TIMEOUT, ...place });
  const jobs = (): Readonly<{ queue: Queue; isShared: boolean }> => {
    const queue = new Queue(postgresDriver(place), pick(options, ["clock", "logger"]) as QueueOptions);
    return { queue: queue as unknown as Queue, isShared: false };
  };
  return new Cluster(store, pick(options, CLUSTER_OPTIONS) as ClusterOptions, jobs);
}

export type PostgresMigration = Readonly<{
  /** What was run, or would be; empty when the layout is up to date. */
  sql: string;
}>;

/** Makes or updates the schema. Safe when several processes do it at once. `dryRun` changes nothing and tells the SQL. */
export function migratePostgres(
  target: string | PostgresDriverOptions,
  options: Readonly<{ dryRun?: boolean; schema?: string }> = {},
): Promise<PostgresMigration> {
  checkOptions("migratePostgres", options, ["dryRun", "schema"]);
  const { dryRun = false, schema } = options;
  const given = together(target, schema === undefined ? {} : { schema });
  return migrateStore(given, dryRun);
}

function together<O extends PostgresDriverOptions>(target: string | O, options: O): O {
  if (typeof target === "string") return { ...options, url: target };
  if (typeof target !== "object" || target === null)
    throw invalidArgument("target", target, "a URL or an object with options");
  return { ...target, ...options };
}

function pick(options: object, names: readonly string[]): object {
  return Object.fromEntries(Object.entries(options).filter(([name]) => names.includes(name)));
}

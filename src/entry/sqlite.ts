import { Cluster, CLUSTER_OPTIONS, type ClusterOptions } from "../cluster/index.ts";
import { Queue, QUEUE_OPTIONS, type QueueOptions } from "../core/index.ts";
import {
  sqliteCoordinationStore,
  type SqliteDatabase,
  sqliteDriver,
  type SqliteDriverOptions,
} from "../drivers/sqlite/index.ts";
import { invalidArgument } from "../errors/index.ts";
import { checkOptions } from "../runtime/index.ts";

export type { SqliteDatabase } from "../drivers/sqlite/index.ts";

/** `durability` is the least that a resolved push must survive, and also how the file is written: "power" costs one fsync a transaction. */
export type SqliteQueueOptions = QueueOptions & Omit<SqliteDriverOptions, "path" | "database" | "durability">;

const DRIVER_OPTIONS = ["create", "busyTimeout"];

/**
 * A durable queue in a SQLite file, for any number of processes of one machine.
 * @param target the path of the file (made when it is missing), ":memory:", or your own open `DatabaseSync`; then `push(job, { transaction: db })`
 * works inside your transactions, and the database stays open.
 */
export function sqliteQueue(target: string | SqliteDatabase, options: SqliteQueueOptions = {}): Queue<SqliteDatabase> {
  checkOptions("sqliteQueue", options, [...QUEUE_OPTIONS, ...DRIVER_OPTIONS]);
  const { create, busyTimeout, durability, ...rest } = options;
  if (durability === "quorum")
    throw invalidArgument("durability", durability, 'at most "power": SQLite keeps jobs on one machine');
  const driver = sqliteDriver({
    ...(typeof target === "string" ? { path: target } : { database: target }),
    ...(create === undefined ? {} : { create }),
    ...(busyTimeout === undefined ? {} : { busyTimeout }),
    ...(durability === "power" ? { durability } : {}),
  });
  return new Queue<SqliteDatabase>(driver, { ...rest, ...(durability === undefined ? {} : { durability }) });
}

export type SqliteClusterOptions = ClusterOptions & Pick<SqliteDriverOptions, "durability" | "create" | "busyTimeout">;

/**
 * A node of a cluster of processes of one machine that share a SQLite file. It may be the file of a queue.
 * @param path the path of the file, made when it is missing.
 */
export function sqliteCluster(path: string, options: SqliteClusterOptions): Cluster {
  checkOptions("sqliteCluster", options ?? null, [...CLUSTER_OPTIONS, ...DRIVER_OPTIONS, "durability"]);
  const { create, busyTimeout, durability, ...rest } = options;
  const store = sqliteCoordinationStore({
    path,
    ...(create === undefined ? {} : { create }),
    ...(busyTimeout === undefined ? {} : { busyTimeout }),
    ...(durability === undefined ? {} : { durability }),
  });
  const { clock, logger } = rest;
  const jobs = (): Readonly<{ queue: Queue; isShared: boolean }> => {
    const queue = sqliteQueue(path, {
      ...(create === undefined ? {} : { create }),
      ...(busyTimeout === undefined ? {} : { busyTimeout }),
      ...(durability === undefined ? {} : { durability }),
      ...(clock === undefined ? {} : { clock }),
      ...(logger === undefined ? {} : { logger }),
    });
    return { queue: queue as unknown as Queue, isShared: false };
  };
  return new Cluster(store, rest, jobs);
}

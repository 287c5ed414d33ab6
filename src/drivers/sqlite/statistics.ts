import type { StoredStats } from "../../contract/index.ts";
import { countJobs, isQuick } from "./counting.ts";
import type { Counts } from "./counting.ts";
import type { SqliteDatabase } from "./database.ts";
import { PENDING } from "./schema.ts";
import type { SideThread } from "./side-thread.ts";
import type { Statements } from "./statements.ts";

type QueueRow = Readonly<{ id: number; name: string; paused: number }>;

const NONE: StoredStats = {
  pending: 0,
  delayed: 0,
  reserved: 0,
  failed: 0,
  completed: 0,
  oldestPendingAt: undefined,
  paused: false,
};

/**
 * The first of each priority is its oldest, so one step a priority finds the oldest of all. A minimum over an index of its own would cost
 * every push and claim.
 */
const OLDEST = `
  WITH RECURSIVE level (priority) AS (
    SELECT max(priority) FROM jobferry_jobs WHERE state = ${PENDING} AND queue = ?1
    UNION ALL
    SELECT (SELECT max(priority) FROM jobferry_jobs WHERE state = ${PENDING} AND queue = ?1 AND priority < level.priority)
    FROM level WHERE level.priority IS NOT NULL)
  SELECT min((SELECT available_at FROM jobferry_jobs WHERE state = ${PENDING} AND queue = ?1 AND priority = level.priority ORDER BY seq LIMIT 1)) AS oldest
  FROM level WHERE priority IS NOT NULL`;

type Store = Readonly<{
  database: SqliteDatabase;
  tx: Readonly<{ sql: Statements }>;
  thread: SideThread | undefined;
  read<T>(attempt: () => T): Promise<T>;
}>;

/** Of one queue, or of all together: then `paused` says whether every queue is. */
export async function readStats(store: Store, queue: string | undefined): Promise<StoredStats> {
  const { database, tx } = store;
  const all = await store.read(() => tx.sql.queues.all() as readonly QueueRow[]);
  const queues = all.filter(({ name }) => queue === undefined || name === queue);
  if (queues.length === 0) return NONE;
  const only = queue === undefined ? undefined : queues[0]?.id;
  const counts = await count(store, only);
  return store.read(() => ({
    ...counts,
    completed: completedOf(database, only),
    oldestPendingAt: oldestOf(database, queues),
    paused: queues.every(({ paused }) => paused !== 0),
  }));
}

async function count(store: Store, queue: number | undefined): Promise<Counts> {
  const { database, thread } = store;
  const isShort = thread === undefined || thread.broken || (await store.read(() => isQuick(database, queue)));
  if (isShort) return store.read(() => countJobs(database, queue));
  try {
    return (await thread.call({ kind: "count", queue })) as Counts;
  } catch {
    return store.read(() => countJobs(database, queue));
  }
}

function completedOf(database: SqliteDatabase, queue: number | undefined): number {
  const row =
    queue === undefined
      ? database.prepare("SELECT coalesce(sum(value), 0) AS value FROM jobferry_counters WHERE id > 0").get()
      : database.prepare("SELECT value FROM jobferry_counters WHERE id = ?").get(queue);
  return (row as Readonly<{ value: number }>).value;
}

function oldestOf(database: SqliteDatabase, queues: readonly QueueRow[]): number | undefined {
  const statement = database.prepare(OLDEST);
  let oldest = Infinity;
  for (const { id } of queues) {
    const row = statement.get(id) as Readonly<{ oldest: number | null }>;
    oldest = Math.min(oldest, row.oldest ?? Infinity);
  }
  return oldest === Infinity ? undefined : oldest;
}

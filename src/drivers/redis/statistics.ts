import type { StoredStats } from "../../contract/index.ts";
import { portions } from "../shared/portions.ts";
import type { Partition } from "./keys.ts";
import { MAX_ITEMS, QUEUES_A_CALL } from "./limits.ts";
import { queuesOf } from "./queue-names.ts";
import { scripts } from "./script.ts";
import type { RedisStore } from "./store.ts";

type Row = readonly [
  pending: number,
  delayed: number,
  reserved: number,
  failed: number,
  completed: number,
  paused: number,
  oldest: number,
  line: number,
  prio: number,
];

/** Of one queue, or of all together: then `paused` says whether every queue is. */
export async function readStats(store: RedisStore, queue: string | undefined): Promise<StoredStats> {
  const rows: Row[] = [];
  for (const partition of store.partitions) {
    const queues = queue === undefined ? await queuesOf(store, partition) : [queue];
    for (const some of portions(queues, QUEUES_A_CALL)) rows.push(...(await rowsOf(store, partition, some)));
  }
  const sum = (column: 0 | 1 | 2 | 3 | 4): number => rows.reduce((total, row) => total + row[column], 0);
  const oldest = Math.min(...rows.map((row) => row[6]).filter((time) => time >= 0));
  return {
    pending: sum(0),
    delayed: sum(1),
    reserved: sum(2),
    failed: sum(3),
    completed: sum(4),
    oldestPendingAt: Number.isFinite(oldest) ? oldest : undefined,
    paused: rows.length > 0 && rows.every((row) => row[5] === 1),
  };
}

async function rowsOf(store: RedisStore, partition: Partition, queues: readonly string[]): Promise<readonly Row[]> {
  return (await store.call(scripts.stats, partition, queues)) as readonly Row[];
}

/**
 * Removes what waits, in portions. No more than there was at first: a producer that never stops would keep this from ending, and a portion can arrive
 * long after it was given up.
 */
export async function clearQueues(
  store: RedisStore,
  queue: string | undefined,
): Promise<Readonly<{ removed: number }>> {
  let removed = 0;
  for (const partition of store.partitions) {
    const upTo = await lastPlace(store, partition);
    for (const name of queue === undefined ? await queuesOf(store, partition) : [queue]) {
      const [row] = await rowsOf(store, partition, [name]);
      if (row === undefined) continue;
      removed += await clearLine(store, partition, "ready", name, upTo, row[7]);
      removed += await clearLine(store, partition, "prio", name, upTo, row[8]);
      removed += await clearLine(store, partition, "delayed", name, upTo, row[1]);
    }
  }
  return { removed };
}

/** The newest place that was given. Every job that is pushed, retried or fails later has a higher one; one that is handed back keeps its place. */
export function lastPlace(store: RedisStore, { tag, route }: Partition): Promise<string> {
  return store.digits(["GET", `${tag}place`], route);
}

async function clearLine(
  store: RedisStore,
  partition: Partition,
  line: "ready" | "prio" | "delayed",
  queue: string,
  upTo: string,
  length: number,
): Promise<number> {
  let [left, removed, from] = [length, 0, 0];
  while (left > 0) {
    // In the others newer entries stand between the old ones: these are passed over, and do not count.
    const most = line === "ready" ? Math.min(left, MAX_ITEMS) : MAX_ITEMS;
    const reply = await store.call(scripts.clear, partition, [line, String(most), upTo, String(from), queue]);
    const [looked, gone, kept] = reply as readonly [number, number, number];
    removed += gone;
    left -= looked - kept;
    from += kept;
    // What is left of `ready` stands in front again.
    if (looked < most || (line === "ready" && kept > 0)) break;
  }
  return removed;
}

import type { DriverContext, MaintainResult, Retention, StoredJob } from "../../contract/index.ts";
import type { DiedJobs } from "../shared/died-jobs.ts";
import { prunes } from "../shared/retention.ts";
import type { SqliteDatabase } from "./database.ts";
import { look, nextDueIn, promoteDue, recoverExpired, sooner } from "./due.ts";
import type { LeaseClock } from "./lease-clock.ts";
import { DUE_PORTION } from "./limits.ts";
import { COMPLETED, FAILED } from "./schema.ts";
import type { Transaction } from "./transaction.ts";
import type { WriteQueue } from "./write-queue.ts";

type Row = Readonly<{ seq: number; body: number | null }>;

type Store = Readonly<{
  context: DriverContext;
  database: SqliteDatabase;
  leaseClock: LeaseClock;
  tx: Transaction;
  writes: WriteQueue;
  died: DiedJobs;
  read<T>(attempt: () => T): Promise<T>;
}>;

type Part = { promoted: number; recovered: number; readonly died: StoredJob[] };

/**
 * Promotes what is due, takes back what ran out, prunes: at most `max` of each, in portions, and without a write when there is nothing to do.
 * Safe in any number of processes: each portion looks again inside its transaction.
 */
export async function maintainStore(
  store: Store,
  { max, signal }: Readonly<{ max: number; signal?: AbortSignal | undefined }>,
): Promise<MaintainResult> {
  let [promoted, recovered] = [0, 0];
  const died: StoredJob[] = [];
  let nextDueInMs = await store.read(() => nextDueOf(store));
  while (nextDueInMs === 0 && !signal?.aborted) {
    const done = { promoted, recovered, lost: died.length };
    const part = await store.writes.submit({ rows: DUE_PORTION, bytes: 0, run: (tx) => bringUpToDate(tx, max, done) });
    promoted += part.promoted;
    recovered += part.recovered;
    died.push(...part.died);
    nextDueInMs = await store.read(() => nextDueOf(store));
    if (part.promoted + part.recovered + part.died.length === 0) break;
  }
  const pruned = await prune(store, max, signal);
  return store.died.reportIn({ promoted, recovered, pruned, died, nextDueInMs });
}

function queueIds(tx: Transaction): readonly number[] {
  return (tx.sql.queues.all() as readonly Readonly<{ id: number }>[]).map(({ id }) => id);
}

function nextDueOf({ tx, context, leaseClock }: Store): number | undefined {
  let next: number | undefined;
  for (const id of queueIds(tx)) next = sooner(next, nextDueIn(context.clock.now(), leaseClock.now(), look(tx, id)));
  return next;
}

/** One portion over all queues. Starts from what was done before, so that the sum stays within `max`. */
function bringUpToDate(
  tx: Transaction,
  max: number,
  done: Readonly<{ promoted: number; recovered: number; lost: number }>,
): Part {
  const part: Part = { promoted: 0, recovered: 0, died: [] };
  for (const queue of queueIds(tx)) {
    const seen = look(tx, queue);
    const promotable = Math.min(max - done.promoted, DUE_PORTION) - part.promoted;
    const recoverable = Math.min(max - done.recovered - done.lost, DUE_PORTION) - part.recovered - part.died.length;
    if (promotable > 0 && seen.due !== null && seen.due <= tx.now) part.promoted += promoteDue(tx, queue, promotable);
    if (recoverable > 0 && seen.lease !== null && seen.lease <= tx.leaseNow) {
      part.recovered += recoverExpired(tx, queue, recoverable, part.died);
    }
  }
  return part;
}

async function prune(store: Store, max: number, signal: AbortSignal | undefined): Promise<number> {
  const { database, context, writes } = store;
  const { completed, failed } = context.retention;
  let pruned = 0;
  for (const [state, retention] of [[COMPLETED, completed] as const, [FAILED, failed] as const]) {
    if (!prunes(retention)) continue;
    const pruning = await store.read(() => new Pruning(database, state, retention, context.clock.now()));
    let left = max;
    while (left > 0 && !signal?.aborted && (await store.read(() => pruning.surplus(1))).length > 0) {
      const most = Math.min(left, DUE_PORTION);
      const run = (tx: Transaction): number => removeRows(tx, pruning.surplus(most));
      const removed = await writes.submit({ rows: DUE_PORTION, bytes: 0, run });
      if (removed === 0) break;
      left -= removed;
    }
    pruned += max - left;
  }
  return pruned;
}

type Finished = Row & Readonly<{ finished_at: number }>;

/** Finds finished jobs beyond the retention, oldest first: their order is that of their places. Reads only. */
class Pruning {
  readonly #database: SqliteDatabase;
  readonly #state: number;
  readonly #before: number;
  readonly #upTo: number;

  /**
   * Looks once for the newest job that is too many, because that walks over all that stay. What comes to rest later gets a higher place, so
   * whatever others do meanwhile, no job up to it comes back into the retention.
   */
  constructor(database: SqliteDatabase, state: number, { count, ageMs }: Retention, now: number) {
    this.#database = database;
    this.#state = state;
    this.#before = now - ageMs;
    const newest = Number.isFinite(count) ? this.#finished("ORDER BY seq DESC LIMIT 1 OFFSET ?", count) : [];
    this.#upTo = newest[0]?.seq ?? -1;
  }

  surplus(max: number): readonly Row[] {
    if (this.#upTo < 0 && this.#before === -Infinity) return [];
    const oldest = this.#finished("ORDER BY seq LIMIT ?", max);
    const stays = oldest.findIndex((row) => row.seq > this.#upTo && row.finished_at >= this.#before);
    return stays < 0 ? oldest : oldest.slice(0, stays);
  }

  #finished(which: string, value: number): readonly Finished[] {
    return this.#database
      .prepare(`SELECT seq, body, finished_at FROM jobferry_jobs WHERE state = ${this.#state} ${which}`)
      .all(value) as readonly Finished[];
  }
}

export function removeRows(tx: Transaction, rows: readonly Row[]): number {
  for (const { seq, body } of rows) {
    tx.sql.remove.run(seq);
    tx.dropBody(body);
    tx.pages += 1;
  }
  return rows.length;
}

import type { SqliteDatabase } from "./database.ts";
import { MAX_ROWS } from "./limits.ts";
import { removeRows } from "./maintenance.ts";
import { DELAYED, PENDING } from "./schema.ts";
import type { Transaction } from "./transaction.ts";

type Row = Readonly<{ seq: number; body: number | null }>;

/** Removes the next portion of what waits, of one queue or of all, up to a place. Finds its rows by the partial indexes. */
export function clearPortion(
  tx: Transaction,
  database: SqliteDatabase,
  queue: string | undefined,
  upTo: number,
): number {
  const id = queue === undefined ? undefined : tx.findQueue(queue);
  if (queue !== undefined && id === undefined) return 0;
  let removed = 0;
  for (const state of [PENDING, DELAYED]) {
    const sql = `SELECT seq, body FROM jobferry_jobs WHERE state = ${state} ${id === undefined ? "" : "AND queue = ?3"} AND seq <= ?1 LIMIT ?2`;
    const statement = database.prepare(sql);
    const limit = MAX_ROWS - removed;
    const rows = (id === undefined ? statement.all(upTo, limit) : statement.all(upTo, limit, id)) as readonly Row[];
    removed += removeRows(tx, rows);
  }
  return removed;
}

import type { SqliteDatabase } from "./database.ts";
import { DELAYED, FAILED, PENDING, RESERVED } from "./schema.ts";

export type Counts = Readonly<{ pending: number; delayed: number; reserved: number; failed: number }>;

/** Above so many rows counting is left to the side thread: 20,000 take about 1 ms. */
const QUICK_ROWS = 20_000;

/** Exact, of one moment. Walks the partial indexes: 1,000,000 pending jobs take some 40 ms, so a long queue is counted in the side thread. */
export function countJobs(database: Pick<SqliteDatabase, "prepare">, queue: number | undefined): Counts {
  const count = (state: number): string =>
    `(SELECT count(*) FROM jobferry_jobs WHERE state = ${state}${queue === undefined ? "" : " AND queue = ?1"})`;
  const sql = `SELECT ${count(PENDING)} AS pending, ${count(DELAYED)} AS delayed, ${count(RESERVED)} AS reserved, ${count(FAILED)} AS failed`;
  const statement = database.prepare(sql);
  return (queue === undefined ? statement.get() : statement.get(queue)) as Counts;
}

/** Whether no state holds more than `QUICK_ROWS`. */
export function isQuick(database: SqliteDatabase, queue: number | undefined): boolean {
  const where = queue === undefined ? "" : " AND queue = ?1";
  const few = (state: number): string =>
    `(SELECT count(*) FROM (SELECT 1 FROM jobferry_jobs WHERE state = ${state}${where} LIMIT ${QUICK_ROWS})) < ${QUICK_ROWS}`;
  const statement = database.prepare(`SELECT ${[PENDING, DELAYED, RESERVED, FAILED].map(few).join(" AND ")} AS quick`);
  const row = (queue === undefined ? statement.get() : statement.get(queue)) as Readonly<{ quick: number }>;
  return row.quick === 1;
}

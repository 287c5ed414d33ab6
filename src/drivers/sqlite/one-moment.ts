import type { SqliteDatabase } from "./database.ts";

/**
 * Reads of several statements that belong together: without a transaction around them another process can take a job away between the row
 * and its payload. Synchronous, so that it holds no snapshot over a turn of the event loop.
 */
export function atOneMoment<T>(database: SqliteDatabase, read: () => T): T {
  if (database.isTransaction) return read(); // its owner's, on a database that was handed in
  database.exec("BEGIN");
  try {
    return read();
  } finally {
    if (database.isTransaction) database.exec("ROLLBACK"); // nothing was written
  }
}

export type SqliteValue = null | number | bigint | string | Uint8Array;

/** The part of `node:sqlite`'s StatementSync that the driver uses. */
export interface SqliteStatement {
  run(...values: SqliteValue[]): { readonly changes: number | bigint; readonly lastInsertRowid: number | bigint };
  get(...values: SqliteValue[]): unknown;
  all(...values: SqliteValue[]): unknown[];
  /** Rows as arrays of their values from now on. */
  setReturnArrays?(enabled: boolean): void;
}

/** The part of `node:sqlite`'s DatabaseSync that the driver uses. Hand one in to push inside your own transactions. */
export interface SqliteDatabase {
  readonly isTransaction: boolean;
  exec(sql: string): void;
  prepare(sql: string): SqliteStatement;
  /** The path of the file; null for a database in memory. */
  location(): string | null;
  close(): void;
}

/** The few parts of client libraries that the driver uses. No type of theirs is named in public. */

/** A query as `pg` takes it. */
export type PostgresQuery = Readonly<{
  text: string;
  name?: string;
  values?: unknown[];
  rowMode?: "array";
  types?: Readonly<{ getTypeParser: (...args: never[]) => (value: string) => unknown }>;
}>;

/** A connection out of a pool of `pg`. */
export interface PostgresClient {
  query(query: never): Promise<{ rows: unknown[] }>;
  release(destroy?: boolean): void;
  on(event: "error" | "notification" | "end", listener: never): unknown;
  removeListener(event: "error" | "notification" | "end", listener: never): unknown;
}

/** A `Pool` of `pg`, version 8. */
export interface PostgresPool {
  readonly totalCount: number;
  connect(): Promise<PostgresClient>;
  end(): Promise<void>;
  // Apart: no overload of the types of pg before 8.16 takes either of them.
  on(event: "error", listener: never): unknown;
  on(event: "acquire", listener: never): unknown;
  removeListener(event: "error" | "acquire", listener: never): unknown;
}

/** A connection of `pg` on which you ran BEGIN. */
export interface PgTransaction {
  query(text: string, values: unknown[]): Promise<{ rows: unknown[] }>;
}

/** What postgres.js hands to the function given to `sql.begin`. */
export interface PostgresJsTransaction {
  unsafe(query: string, parameters: never[]): PromiseLike<readonly unknown[]>;
}

/** A `Transaction` of Kysely. */
export interface KyselyTransaction {
  readonly isTransaction: boolean;
  executeQuery(query: never): Promise<{ readonly rows: readonly unknown[] }>;
}

/** The caller's own transaction, for `push(job, { transaction })`. */
export type PostgresTransaction = PgTransaction | PostgresJsTransaction | KyselyTransaction;

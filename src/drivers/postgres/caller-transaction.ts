import { describeValue, JobferryError } from "../../errors/index.ts";
import { arrayText, type Column } from "./arrays.ts";
import type { PostgresTransaction } from "./client.ts";
import { anybodysMessage } from "./notifications.ts";
import { PUSH_TYPES } from "./statements.ts";
import { quoted } from "./text.ts";

const wrong = (value: unknown, what: string): JobferryError =>
  new JobferryError("INVALID_ARGUMENT", `transaction is ${describeValue(value)}; ${what}`);

/** The function `push` with its arrays as text, which every client library passes on as it is, and a notification that the commit sends. */
export function pushInside(
  schema: string,
  channel: string | undefined,
  columns: readonly Column[],
): {
  readonly text: string;
  readonly values: readonly string[];
} {
  const parameters = PUSH_TYPES.map((type, i) => `$${i + 1}::text::${type}[]`).join(", ");
  const notify = `(SELECT count(pg_notify('${channel}', '${anybodysMessage()}' || u.queue)) FROM unnest($1::text::text[]) AS u (queue))`;
  const text = `SELECT ${quoted(schema)}.push(${parameters}) AS stored${channel === undefined ? "" : `, ${notify} AS told`}`;
  return { text, values: columns.map(arrayText) };
}

/** Runs one statement in the caller's transaction, whichever library it is of. @throws INVALID_ARGUMENT */
export async function runInside(
  transaction: PostgresTransaction,
  text: string,
  values: readonly string[],
): Promise<string | null> {
  const [row] = await rowsInside(transaction, text, values);
  const stored = (row as Readonly<{ stored?: string | null }> | undefined)?.stored;
  return stored ?? null;
}

async function rowsInside(
  transaction: PostgresTransaction,
  text: string,
  values: readonly string[],
): Promise<readonly unknown[]> {
  const isObject = (typeof transaction === "object" && transaction !== null) || typeof transaction === "function";
  if (isObject && "executeQuery" in transaction) {
    if (!transaction.isTransaction)
      throw wrong(transaction, "it must be the Transaction that Kysely hands to your function, not the database.");
    return (await transaction.executeQuery(compiled(text, values) as never)).rows;
  }
  if (isObject && "unsafe" in transaction) {
    if ("begin" in transaction && !("savepoint" in transaction))
      throw wrong(transaction, "it must be the `sql` that sql.begin hands to your function, not the outer one.");
    return transaction.unsafe(text, [...values] as never[]);
  }
  if (!isObject || typeof transaction.query !== "function")
    throw wrong(transaction, "it must be a client of pg inside BEGIN, or a transaction of postgres.js or Kysely.");
  if ("totalCount" in transaction)
    throw wrong(transaction, "it must be one client out of the pool, on which you ran BEGIN, not the pool.");
  if ("getTransactionStatus" in transaction && statusOf(transaction) === "I")
    throw wrong(transaction, "no transaction is open on it: run BEGIN on it before.");
  return (await transaction.query(text, [...values])).rows;
}

/** `I`: idle, in no transaction. Newer versions of `pg` know it. */
function statusOf(client: { readonly getTransactionStatus: unknown }): unknown {
  const { getTransactionStatus } = client;
  return typeof getTransactionStatus === "function" ? getTransactionStatus.call(client) : undefined;
}

/** A CompiledQuery as Kysely's own `CompiledQuery.raw` makes it. */
function compiled(sql: string, parameters: readonly string[]): object {
  return {
    sql,
    parameters,
    query: { kind: "RawNode", sqlFragments: [sql], parameters: [] },
    queryId: { queryId: crypto.randomUUID() },
  };
}

import { createHash } from "node:crypto";
import type { Statement } from "./connections.ts";
import { RESERVED } from "./schema.ts";
import { literal, quoted } from "./text.ts";

export type Statements = Readonly<
  Record<
    | "push"
    | "claim"
    | "finish"
    | "extend"
    | "maintain"
    | "prune"
    | "clear"
    | "lastPlace"
    | "queues"
    | "pausing"
    | "setPaused"
    | "stats"
    | "list"
    | "jobs"
    | "remove"
    | "revive"
    | "notify"
    | "dead",
    Statement
  >
>;

/** All but columns of the payload's size are in the order of `JobRow`. */
const JOB_COLUMNS = `j.state, q.name, j.seq, j.id, j.name, j.priority, j.tags, j.attempts, j.losses, j.exceptions, j.created_at, j.available_at,
  j.reserved_at, j.finished_at, j.failure, j.envelope, j.payload, j.result`;

export const PUSH_TYPES: readonly string[] = [
  "text",
  "integer",
  "text",
  "text",
  "integer",
  "integer",
  "double precision",
  "double precision",
  "double precision",
  "text",
  "bytea",
  "bytea",
];

/** One round trip each. */
export function statementsFor(schema: string): Statements {
  const s = quoted(schema);
  const places = `${literal(`${s}.places`)}::regclass`;
  const texts: Readonly<Record<keyof Statements, string>> = {
    push: `SELECT ${s}.push(${PUSH_TYPES.map((type, i) => `$${i + 1}::${type}[]`).join(", ")})`,
    claim: `SELECT * FROM ${s}.claim($1::text[], $2::integer, $3::integer, $4::double precision)`,
    finish: `SELECT ${s}.finish($1::bigint[], $2::bigint[], $3::bigint[], $4::integer[], $5::double precision[], $6::text[], $7::bytea[])`,
    extend: `SELECT ${s}.extend($1::bigint[], $2::double precision[])`,
    maintain: `SELECT * FROM ${s}.maintain($1::integer)`,
    prune: `SELECT ${s}.prune($1::integer, $2::bigint, ${s}.clock_ms() - $3::double precision, $4::integer)`,
    clear: `SELECT ${s}.clear_portion($1::text, $2::bigint, $3::integer)`,
    // Reading it as a table would want SELECT on it; this, like a push, wants USAGE. NULL before the first; from PostgreSQL 17 on also without the right,
    // which currval refuses.
    lastPlace: `SELECT coalesce(pg_catalog.pg_sequence_last_value(${places}),
      CASE WHEN has_sequence_privilege(${places}, 'USAGE, SELECT') THEN 0 ELSE currval(${places}) END)`,
    queues: `SELECT q.id, q.name FROM ${s}.queues q ORDER BY q.id`,
    // Which pause or resume was the last: nothing else changes the row.
    pausing: `SELECT q.xmin FROM ${s}.queues q WHERE q.name = $1::text`,
    setPaused: `WITH made AS (
        INSERT INTO ${s}.queues (name, paused) SELECT $1::text, $2::boolean WHERE $3::text IS NULL ON CONFLICT (name) DO NOTHING RETURNING name),
      changed AS (UPDATE ${s}.queues q SET paused = $2::boolean WHERE q.name = $1::text AND q.xmin::text = $3::text RETURNING q.name)
      SELECT name FROM made UNION ALL SELECT name FROM changed`,
    stats: `SELECT * FROM ${s}.stats($1::text)`,
    list: `SELECT l.* FROM ${s}.list_after($1::bigint, $2::integer, $3::integer, $4::boolean, $5::boolean) l ORDER BY l.seq LIMIT $2::integer`,
    jobs: `SELECT ${JOB_COLUMNS} FROM ${s}.jobs j JOIN ${s}.queues q ON q.id = j.queue WHERE j.id = ANY ($1::text[])`,
    // Only what had its place when the call was made: what arrives late finds a job that was retried, or pushed again, at a higher one.
    remove: `WITH gone AS (DELETE FROM ${s}.jobs j WHERE j.id = ANY ($1::text[]) AND j.state <> ${RESERVED} AND j.seq <= $2::bigint
        AND ($3::integer IS NULL OR j.state = $3::integer) RETURNING j.seq)
      SELECT count(*) FROM gone`,
    revive: `SELECT ${s}.revive($1::text[], $2::integer)`,
    notify: `SELECT count(pg_notify($1::text, u.message)) FROM unnest($2::text[]) AS u (message)`,
    dead: `SELECT pg_stat_get_dead_tuples(${literal(`${s}.jobs`)}::regclass)`,
  };
  return Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, statement(name, text)])) as Statements;
}

/**
 * A connection may serve several schemas and, behind a proxy, several releases; a name that stood for two texts would run the other one. So
 * it has the text's hash, and stays below the 63 bytes to which the server cuts it.
 */
export function statement(name: string, text: string): Statement {
  return { name: `jobferry_${name}_${createHash("sha256").update(text).digest("hex").slice(0, 20)}`, text };
}

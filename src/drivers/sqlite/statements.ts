import type { SqliteDatabase, SqliteStatement } from "./database.ts";
import { COMPLETED, DELAYED, FAILED, PENDING, RESERVED, SEQUENCE } from "./schema.ts";

/** Everything of a job but its payload's body. In the order that `JobRow` describes. */
const JOB_COLUMNS =
  "seq, id, queue, state, priority, attempts, losses, exceptions, max_losses, created_at, available_at, reserved_at, finished_at, body, name, tags, failure, result, envelope, payload";

/** What a claim does not know already, in the order that `ReadyRow` describes. */
const READY_COLUMNS =
  "seq, id, priority, attempts, losses, exceptions, created_at, available_at, body, name, tags, failure, envelope, payload";

type StatementName =
  | "begin"
  | "commit"
  | "rollback"
  | "push"
  | "pushTen"
  | "idsBehind"
  | "exists"
  | "pushBody"
  | "body"
  | "dropBody"
  | "look"
  | "hasReady"
  | "ready"
  | "reserve"
  | "locate"
  | "complete"
  | "losses"
  | "keep"
  | "release"
  | "fail"
  | "extend"
  | "due"
  | "becomeDue"
  | "promote"
  | "expired"
  | "recover"
  | "die"
  | "job"
  | "jobById"
  | "remove"
  | "retry"
  | "lastPlace"
  | "sequence"
  | "setSequence"
  | "countCompleted"
  | "queueId"
  | "queueName"
  | "addQueue"
  | "addCounter"
  | "queues"
  | "setPaused";

function insertOf(rows: number): string {
  // Text becomes the BLOB of its bytes: for a short payload a third cheaper than to encode it first. A BLOB stays what it is.
  const row = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, CAST(? AS BLOB))";
  return `INSERT INTO jobferry_jobs (id, queue, state, priority, max_losses, created_at, available_at, body, name, tags, envelope, payload)
    VALUES ${Array<string>(rows).fill(row).join(", ")} ON CONFLICT (id) DO NOTHING`;
}

/** Prepared once a connection. Parameters are in the order of the text. */
export type Statements = Readonly<Record<StatementName, SqliteStatement>> &
  Readonly<{
    /** Whether text that is cast to a BLOB is its UTF-8: a handed-in database may keep UTF-16. */
    isUtf8: boolean;
  }>;

const SQL: Readonly<Record<StatementName, string>> = {
  begin: "BEGIN IMMEDIATE",
  commit: "COMMIT",
  rollback: "ROLLBACK",

  push: insertOf(1),
  pushTen: insertOf(10),
  idsBehind: "SELECT id FROM jobferry_jobs WHERE seq > ?",
  exists: "SELECT 1 FROM jobferry_jobs WHERE id = ?",
  pushBody: "INSERT INTO jobferry_bodies (payload) VALUES (?)",
  body: "SELECT payload FROM jobferry_bodies WHERE id = ?",
  dropBody: "DELETE FROM jobferry_bodies WHERE id = ?",

  look: `SELECT paused,
      (SELECT min(available_at) FROM jobferry_jobs WHERE state = ${DELAYED} AND queue = q.id) AS due,
      (SELECT min(lease_end) FROM jobferry_jobs WHERE state = ${RESERVED} AND queue = q.id) AS lease
    FROM jobferry_queues AS q WHERE id = ?`,
  hasReady: `SELECT 1 FROM jobferry_jobs WHERE state = ${PENDING} AND queue = ? LIMIT 1`,
  ready: `SELECT ${READY_COLUMNS} FROM jobferry_jobs WHERE state = ${PENDING} AND queue = ? ORDER BY priority DESC, seq LIMIT ?`,
  reserve: `UPDATE jobferry_jobs SET state = ${RESERVED}, attempts = ?, token = ?, lease_end = ?, reserved_at = ? WHERE seq = ?`,

  locate: `SELECT seq, body FROM jobferry_jobs WHERE id = ? AND token = ?`,
  complete: "DELETE FROM jobferry_jobs WHERE seq = ? AND token = ?",
  losses: "SELECT losses, max_losses FROM jobferry_jobs WHERE seq = ? AND token = ?",
  keep: `UPDATE jobferry_jobs SET seq = ?, state = ${COMPLETED}, token = NULL, lease_end = NULL, finished_at = ?, result = ?
    WHERE seq = ? AND token = ?`,
  release: `UPDATE jobferry_jobs SET seq = ?, state = ?, available_at = ?, attempts = attempts - ?, exceptions = exceptions + ?, losses = losses + ?,
      failure = coalesce(?, failure), token = NULL, lease_end = NULL, reserved_at = NULL
    WHERE seq = ? AND token = ?`,
  fail: `UPDATE jobferry_jobs SET seq = ?, state = ${FAILED}, finished_at = ?, failure = ?, exceptions = exceptions + ?,
      token = NULL, lease_end = NULL
    WHERE seq = ? AND token = ?`,
  extend: "UPDATE jobferry_jobs SET lease_end = ? WHERE seq = ? AND token = ?",

  due: `SELECT seq FROM jobferry_jobs WHERE state = ${DELAYED} AND queue = ? AND available_at <= ? ORDER BY available_at, seq LIMIT ?`,
  becomeDue: `UPDATE jobferry_jobs SET seq = ?, state = ${PENDING} WHERE seq = ?`,
  promote: `UPDATE jobferry_jobs SET seq = ?, state = ${PENDING}, available_at = ? WHERE seq = ?`,
  expired: `SELECT seq, losses, max_losses FROM jobferry_jobs WHERE state = ${RESERVED} AND queue = ? AND lease_end <= ?
    ORDER BY lease_end, seq LIMIT ?`,
  recover: `UPDATE jobferry_jobs SET seq = ?, state = ${PENDING}, available_at = ?, losses = losses + 1,
      token = NULL, lease_end = NULL, reserved_at = NULL
    WHERE seq = ?`,
  die: `UPDATE jobferry_jobs SET seq = ?, state = ${FAILED}, finished_at = ?, failure = ?, losses = losses + 1, token = NULL, lease_end = NULL
    WHERE seq = ?`,

  job: `SELECT ${JOB_COLUMNS} FROM jobferry_jobs WHERE seq = ?`,
  jobById: `SELECT ${JOB_COLUMNS} FROM jobferry_jobs WHERE id = ?`,
  remove: `DELETE FROM jobferry_jobs WHERE seq = ? RETURNING body`,
  retry: `UPDATE jobferry_jobs SET seq = ?, state = ${PENDING}, available_at = ?, attempts = 0, losses = 0, exceptions = 0, failure = NULL,
      reserved_at = NULL, finished_at = NULL
    WHERE seq = ?`,

  lastPlace: "SELECT coalesce(max(seq), 0) AS seq FROM jobferry_jobs",
  sequence: `SELECT value FROM jobferry_counters WHERE id = ${SEQUENCE}`,
  setSequence: `UPDATE jobferry_counters SET value = ? WHERE id = ${SEQUENCE}`,
  countCompleted: "UPDATE jobferry_counters SET value = value + ? WHERE id = ?",

  queueId: "SELECT id FROM jobferry_queues WHERE name = ?",
  queueName: "SELECT name FROM jobferry_queues WHERE id = ?",
  addQueue: "INSERT INTO jobferry_queues (name) VALUES (?)",
  addCounter: "INSERT INTO jobferry_counters (id, value) VALUES (?, 0)",
  queues: "SELECT id, name, paused FROM jobferry_queues ORDER BY id",
  setPaused: "UPDATE jobferry_queues SET paused = ? WHERE id = ?",
};

export function prepareStatements(database: SqliteDatabase): Statements {
  const prepared = Object.entries(SQL).map(([name, sql]) => [name, database.prepare(sql)] as const);
  const sql = Object.fromEntries(prepared) as Record<StatementName, SqliteStatement>;
  sql.ready.setReturnArrays?.(true);
  const { encoding } = database.prepare("PRAGMA encoding").get() as Readonly<{ encoding: string }>;
  return { ...sql, isUtf8: encoding === "UTF-8" };
}

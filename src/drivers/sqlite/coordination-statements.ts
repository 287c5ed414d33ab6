import type { SqliteDatabase, SqliteStatement } from "./database.ts";

type StatementName =
  | "key"
  | "keys"
  | "put"
  | "remove"
  | "area"
  | "changeArea"
  | "removeInArea"
  | "session"
  | "addSession"
  | "renewSession"
  | "removeSession"
  | "keysOfSession"
  | "expiredSessions"
  | "nextEnd";

export type CoordinationStatements = Readonly<Record<StatementName, SqliteStatement>>;

const CHANGE_AREA = "INSERT INTO jobferry_areas (area, changed, removed) VALUES";

// Parameters are in the order of the text.
const SQL: Readonly<Record<StatementName, string>> = {
  key: "SELECT key, value, version FROM jobferry_keys WHERE key = ?",
  keys: "SELECT key, value, version FROM jobferry_keys WHERE key >= ? AND key < ? AND key > ? ORDER BY key LIMIT ?",
  put: `INSERT INTO jobferry_keys (key, version, session, value) VALUES (?, ?, ?, ?)
    ON CONFLICT (key) DO UPDATE SET version = excluded.version, session = excluded.session, value = excluded.value`,
  remove: "DELETE FROM jobferry_keys WHERE key = ?",

  area: "SELECT changed, removed FROM jobferry_areas WHERE area = ?",
  changeArea: `${CHANGE_AREA} (?, ?, 0) ON CONFLICT (area) DO UPDATE SET changed = excluded.changed`,
  removeInArea: `${CHANGE_AREA} (?1, ?2, ?2) ON CONFLICT (area) DO UPDATE SET changed = excluded.changed, removed = excluded.removed`,

  session: "SELECT 1 FROM jobferry_sessions WHERE id = ? AND ends_at > ?",
  addSession: "INSERT INTO jobferry_sessions (id, ttl, ends_at) VALUES (?, ?, ?)",
  renewSession: "UPDATE jobferry_sessions SET ends_at = ? + ttl WHERE id = ? AND ends_at > ?",
  removeSession: "DELETE FROM jobferry_sessions WHERE id = ?",
  keysOfSession: "SELECT key FROM jobferry_keys WHERE session = ?",
  expiredSessions: "SELECT id FROM jobferry_sessions WHERE ends_at <= ? LIMIT 100",
  nextEnd: "SELECT min(ends_at) AS next FROM jobferry_sessions",
};

export function prepareCoordination(database: SqliteDatabase): CoordinationStatements {
  const prepared = Object.entries(SQL).map(([name, sql]) => [name, database.prepare(sql)]);
  return Object.fromEntries(prepared) as CoordinationStatements;
}

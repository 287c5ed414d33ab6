/** "JBFY": what `PRAGMA application_id` says of a file that Jobferry made. */
export const APPLICATION_ID = 0x4a424659;
/** Of the layout below. Rises with every migration. */
export const LAYOUT_VERSION = 2;

/** `jobferry_jobs.state`. The numbers are in the partial indexes: never change them. */
export const PENDING = 0;
export const DELAYED = 1;
export const RESERVED = 2;
export const FAILED = 3;
export const COMPLETED = 4;

/** Row of `jobferry_counters` that holds the highest number given out, for tokens and for places in the line. Queue n's completed jobs are row n. */
export const SEQUENCE = 0;

/**
 * One statement list per layout version, each from the one before; docs/backends/sqlite.md describes the result.
 *
 * `seq` is the place in the line. A pushed job gets SQLite's next rowid, which costs nothing; a job that comes back or comes to rest moves
 * to a new place behind all others, so that "in the order in which they became pending" and "in which they came to rest" are both the
 * order of the rowid, and no index needs a column for it.
 */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE IF NOT EXISTS jobferry_meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
  CREATE TABLE jobferry_queues (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, paused INTEGER NOT NULL DEFAULT 0);
  CREATE TABLE jobferry_counters (id INTEGER PRIMARY KEY, value INTEGER NOT NULL);
  INSERT INTO jobferry_counters VALUES (${SEQUENCE}, 0);
  CREATE TABLE jobferry_bodies (id INTEGER PRIMARY KEY, payload BLOB NOT NULL);
  CREATE TABLE jobferry_jobs (
    seq INTEGER PRIMARY KEY,
    id NOT NULL,
    queue INTEGER NOT NULL,
    state INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    losses INTEGER NOT NULL DEFAULT 0,
    exceptions INTEGER NOT NULL DEFAULT 0,
    max_losses INTEGER NOT NULL,
    token INTEGER,
    lease_end INTEGER,
    created_at INTEGER NOT NULL,
    available_at INTEGER NOT NULL,
    reserved_at INTEGER,
    finished_at INTEGER,
    body INTEGER,
    name NOT NULL,
    tags TEXT,
    failure TEXT,
    result BLOB,
    envelope BLOB NOT NULL,
    payload BLOB
  );
  CREATE UNIQUE INDEX jobferry_jobs_id ON jobferry_jobs (id);
  CREATE INDEX jobferry_jobs_ready ON jobferry_jobs (queue, priority DESC) WHERE state = ${PENDING};
  CREATE INDEX jobferry_jobs_delayed ON jobferry_jobs (queue, available_at) WHERE state = ${DELAYED};
  CREATE INDEX jobferry_jobs_leased ON jobferry_jobs (queue, lease_end) WHERE state = ${RESERVED};
  CREATE INDEX jobferry_jobs_failed ON jobferry_jobs (seq, queue, finished_at) WHERE state = ${FAILED};
  CREATE INDEX jobferry_jobs_completed ON jobferry_jobs (seq, queue, finished_at) WHERE state = ${COMPLETED};
  `,
  // Keys and sessions of clusters. An area is the first two segments of a key; `changed` and `removed` are the versions of its last write and removal.
  `
  CREATE TABLE jobferry_sessions (id TEXT PRIMARY KEY, ttl INTEGER NOT NULL, ends_at INTEGER NOT NULL) WITHOUT ROWID;
  CREATE INDEX jobferry_sessions_end ON jobferry_sessions (ends_at);
  CREATE TABLE jobferry_keys (key TEXT PRIMARY KEY, version INTEGER NOT NULL, session TEXT, value BLOB NOT NULL) WITHOUT ROWID;
  CREATE INDEX jobferry_keys_session ON jobferry_keys (session) WHERE session IS NOT NULL;
  CREATE TABLE jobferry_areas (area TEXT PRIMARY KEY, changed INTEGER NOT NULL, removed INTEGER NOT NULL) WITHOUT ROWID;
  `,
];

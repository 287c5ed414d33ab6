import { JobferryError } from "../../errors/index.ts";
import type { SqliteDatabase } from "./database.ts";
import type { LeaseClock } from "./lease-clock.ts";
import { APPLICATION_ID, LAYOUT_VERSION, MIGRATIONS, RESERVED } from "./schema.ts";

/**
 * Brings the layout up to date. Safe when several processes start at once: everything, the look at what is there included, happens in one
 * BEGIN IMMEDIATE, so the second one finds the work done. A crash in between leaves the file as it was.
 *
 * `guest`: the file is the user's own and Jobferry's tables stand beside theirs. Then the file's header (`application_id`, `user_version`)
 * is the user's and stays as it is; the version is in `jobferry_meta` in either case.
 * @throws STORE_FOREIGN, STORE_NEWER, or SQLite's error (busy: try again).
 */
export function migrate(database: SqliteDatabase, guest: boolean, leaseClock: LeaseClock): void {
  database.exec("BEGIN IMMEDIATE");
  try {
    const version = layoutVersion(database, guest);
    for (const sql of MIGRATIONS.slice(version)) database.exec(sql);
    if (version < LAYOUT_VERSION) recordVersion(database, guest, version);
    endLeasesOfEarlierRun(database, leaseClock);
    database.exec("COMMIT");
  } catch (error) {
    if (database.isTransaction) database.exec("ROLLBACK");
    throw error;
  }
}

/**
 * The version of our layout in the file, 0 when there is none and we may make it.
 * @throws STORE_FOREIGN for a file that is not ours, STORE_NEWER for a version that this release does not know.
 */
export function layoutVersion(database: SqliteDatabase, guest: boolean): number {
  const applicationId = pragma(database, "application_id");
  const userVersion = pragma(database, "user_version");
  const version = Math.max(metaVersion(database), applicationId === APPLICATION_ID ? userVersion : 0);
  if (version > LAYOUT_VERSION) {
    throw new JobferryError(
      "STORE_NEWER",
      `The database has layout version ${version}; this release of jobferry knows versions up to ${LAYOUT_VERSION}. Update jobferry here. Nothing was changed.`,
    );
  }
  if (version === 0 && !guest && !isEmpty(database, applicationId, userVersion)) {
    throw new JobferryError(
      "STORE_FOREIGN",
      "The file is a database of another program. Give the queue a file of its own, or hand your open database in as `database` to keep the queue's tables beside yours. Nothing was changed.",
    );
  }
  return version;
}

function isEmpty(database: SqliteDatabase, applicationId: number, userVersion: number): boolean {
  const tables = database.prepare("SELECT 1 FROM sqlite_schema LIMIT 1").get();
  return tables === undefined && userVersion === 0 && (applicationId === 0 || applicationId === APPLICATION_ID);
}

function pragma(database: SqliteDatabase, name: string): number {
  const row = database.prepare(`PRAGMA ${name}`).get() as Readonly<Record<string, number>> | undefined;
  return row?.[name] ?? 0;
}

function metaVersion(database: SqliteDatabase): number {
  const known = database.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'jobferry_meta'").get();
  return known === undefined ? 0 : Number(meta(database, "version") ?? 0);
}

function meta(database: SqliteDatabase, key: string): string | number | undefined {
  const row = database.prepare("SELECT value FROM jobferry_meta WHERE key = ?").get(key);
  return (row as Readonly<{ value: string | number }> | undefined)?.value;
}

function setMeta(database: SqliteDatabase, key: string, value: string | number): void {
  database
    .prepare(
      "INSERT INTO jobferry_meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
    )
    .run(key, value);
}

function recordVersion(database: SqliteDatabase, guest: boolean, before: number): void {
  setMeta(database, "version", LAYOUT_VERSION);
  if (guest) return;
  const made = before === 0;
  if (made) database.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
  if (made || pragma(database, "application_id") === APPLICATION_ID)
    database.exec(`PRAGMA user_version = ${LAYOUT_VERSION}`);
}

/** Ends of leases and sessions of before a restart of the machine mean nothing to the clock of now: whoever held them is dead. */
function endLeasesOfEarlierRun(database: SqliteDatabase, leaseClock: LeaseClock): void {
  const now = leaseClock.now();
  const isAnother = meta(database, "clock") !== leaseClock.epoch;
  const isBehind = leaseClock.epoch === "" && Number(meta(database, "clock_at") ?? 0) > now;
  if (isAnother || isBehind) {
    database.prepare(`UPDATE jobferry_jobs SET lease_end = ? WHERE state = ${RESERVED}`).run(Math.floor(now) - 1);
    database.prepare("UPDATE jobferry_sessions SET ends_at = ?").run(Math.floor(now) - 1);
    setMeta(database, "clock", leaseClock.epoch);
  }
  if (leaseClock.epoch === "") setMeta(database, "clock_at", Math.floor(now));
}

import { accessSync, constants, existsSync } from "node:fs";
import { dirname } from "node:path";
import type { Clock } from "../../contract/index.ts";
import { JobferryError } from "../../errors/index.ts";
import type { SqliteDatabase } from "./database.ts";
import { classify, isCannotOpen, readOnly } from "./errors.ts";
import type { LeaseClock } from "./lease-clock.ts";
import { whileBusy } from "./while-busy.ts";
import { layoutVersion, migrate } from "./migrations.ts";
import { checkExists } from "./options.ts";
import type { Settings, Target } from "./options.ts";

/** Nothing blocks for a lock: with 2 ms here four writing processes had an event-loop delay of 7 ms at p99, without it 4 ms. */
const LOCK_WAIT_MS = 0;
/** The WAL keeps at most this size on disk after a burst. */
const KEPT_WAL_BYTES = 64 * 1024 * 1024;

type SqliteModule = Readonly<{
  DatabaseSync: new (path: string, options: Readonly<{ timeout: number }>) => SqliteDatabase;
}>;

/** What the driver opens itself. */
type OwnTarget = Exclude<Target, { readonly kind: "shared" }>;

async function loadSqlite(): Promise<SqliteModule> {
  try {
    return await import("node:sqlite");
  } catch (cause) {
    throw new JobferryError(
      "CLIENT_MISSING",
      `This Node.js (${process.version}) has no node:sqlite. Use Node.js 22.22 or newer, and do not start it with --no-experimental-sqlite.`,
      { cause },
    );
  }
}

/**
 * An open database with our layout and settings. What another process does at the same moment (it makes the file, or migrates it) is
 * waited for without blocking the event loop.
 * @throws CLIENT_MISSING, INVALID_ARGUMENT, STORE_FOREIGN, STORE_NEWER, STORE_READ_ONLY and others of `classify`, with the path of the file.
 */
export async function connect(settings: Settings, clock: Clock, leaseClock: LeaseClock): Promise<SqliteDatabase> {
  const { target } = settings;
  if (target.kind === "shared") {
    await whileBusy(clock, settings.busyMs, () => migrate(target.database, true, leaseClock));
    return target.database;
  }
  checkExists(settings);
  const database = openHandle(await loadSqlite(), target);
  const guest = target.kind === "file" && target.guest;
  try {
    await whileBusy(clock, settings.busyMs, () => {
      // Before anything is written: a file that is not ours must stay as it is, its journal mode included.
      layoutVersion(database, guest);
      configure(database, settings);
      migrate(database, guest, leaseClock);
    });
    return database;
  } catch (error) {
    database.close();
    throw explained(error, target);
  }
}

function openHandle({ DatabaseSync }: SqliteModule, target: OwnTarget): SqliteDatabase {
  try {
    return new DatabaseSync(target.kind === "memory" ? ":memory:" : target.path, { timeout: LOCK_WAIT_MS });
  } catch (error) {
    throw explained(error, target);
  }
}

/** With the name of the file, which a process with several of them needs to know. */
function explained(error: unknown, target: OwnTarget): unknown {
  if (target.kind !== "file") return error;
  const cause = isCannotOpen(error) && isOnReadOnlyDisk(target.path) ? readOnly(error) : error;
  const { code, retryable, message } = classify(cause);
  if (message === undefined) return error;
  return new JobferryError(code, `Opening ${JSON.stringify(target.path)} failed. ${message}`, {
    cause: error,
    retryable,
  });
}

/** A file system that is mounted read-only, where SQLite only says that it cannot open the file. */
function isOnReadOnlyDisk(path: string): boolean {
  try {
    accessSync(existsSync(path) ? path : dirname(path), constants.W_OK);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EROFS";
  }
}

/** The settings last as long as the connection, but for the journal mode, which is the file's. */
function configure(database: SqliteDatabase, settings: Settings): void {
  if (settings.target.kind === "file") database.exec("PRAGMA journal_mode = WAL");
  database.exec(`PRAGMA synchronous = ${settings.durability === "power" ? "FULL" : "NORMAL"}`);
  // Checkpoints are the side thread's: on this thread one takes 15 to 100 ms.
  database.exec("PRAGMA wal_autocheckpoint = 0");
  database.exec(`PRAGMA journal_size_limit = ${KEPT_WAL_BYTES}`);
  // Without mmap the claim rate at 1,000,000 waiting jobs was 1.4 to 1.7 times lower than at 1,000; with it both were equal.
  database.exec("PRAGMA mmap_size = 1073741824");
  database.exec("PRAGMA cache_size = -16384");
}

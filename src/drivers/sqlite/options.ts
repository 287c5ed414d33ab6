import { existsSync } from "node:fs";
import { describeValue, invalidArgument, JobferryError } from "../../errors/index.ts";
import { checkOptions, parseDuration } from "../../runtime/index.ts";
import type { Duration } from "../../runtime/index.ts";
import type { SqliteDatabase } from "./database.ts";

export type SqliteDriverOptions = Readonly<{
  /** Path of the database file, or ":memory:". Either this or `database`. */
  path?: string;
  /**
   * Your own open database, for pushes inside your transactions. It stays yours: its settings are not changed and `close()` leaves it open.
   * Of a file the driver opens a connection of its own beside it; a database in memory is shared.
   */
  database?: SqliteDatabase;
  /**
   * What a resolved push survives. `serverCrash` (default): the death of every process; a loss of power can cost the newest commits but not
   * the file. `power`: also a loss of power, for one fsync a transaction. A database in memory survives nothing.
   */
  durability?: "serverCrash" | "power";
  /** Whether a missing file is made. Default: true. */
  create?: boolean;
  /** How long a call waits for other writers of the file before it fails with UNAVAILABLE (retryable). Default: 5 s. */
  busyTimeout?: Duration;
}>;

export type Target =
  | Readonly<{ kind: "file"; path: string; guest: boolean }>
  | Readonly<{ kind: "memory" }>
  | Readonly<{ kind: "shared"; database: SqliteDatabase }>;

export type Settings = Readonly<{
  target: Target;
  durability: "serverCrash" | "power";
  create: boolean;
  busyMs: number;
}>;

const KNOWN = ["path", "database", "durability", "create", "busyTimeout"] as const;

export function resolveOptions(options: SqliteDriverOptions): Settings {
  checkOptions("sqliteDriver", options, KNOWN);
  const { durability = "serverCrash", create = true, busyTimeout = "5s" } = options;
  if (durability !== "serverCrash" && durability !== "power") {
    throw invalidArgument("durability", durability, '"serverCrash" or "power"');
  }
  if (typeof create !== "boolean") throw invalidArgument("create", create, "true or false");
  const target = resolveTarget(options);
  if (durability === "power" && target.kind !== "file") {
    throw invalidArgument(
      "durability",
      durability,
      '"serverCrash" for a database in memory, which is gone with its process',
    );
  }
  return { target, durability, create, busyMs: parseDuration(busyTimeout, "busyTimeout", { min: 1 }) };
}

function resolveTarget({ path, database }: SqliteDriverOptions): Target {
  if (path === undefined && database === undefined) {
    throw new JobferryError(
      "INVALID_ARGUMENT",
      'The database is missing (undefined). Give the path of a file, ":memory:", or your own open DatabaseSync of node:sqlite.',
    );
  }
  if (path !== undefined && database !== undefined)
    throw new JobferryError("INVALID_ARGUMENT", "Both path and database are given. Give one of them.");
  if (database !== undefined) return targetOf(database);
  if (typeof path !== "string" || path === "" || path.includes("\0"))
    throw invalidArgument("path", path, 'the path of a file, or ":memory:"');
  // What looks like a URL is not repeated: it may be one of another backend, with a password in it.
  if (/^(file|sqlite):/i.test(path) || path.includes("://")) {
    throw new JobferryError("INVALID_ARGUMENT", 'path is a URL; it must be the plain path of a file, or ":memory:".');
  }
  return path === ":memory:" ? { kind: "memory" } : { kind: "file", path, guest: false };
}

function targetOf(database: SqliteDatabase): Target {
  if (typeof database !== "object" || database === null || typeof database.location !== "function") {
    throw new JobferryError(
      "INVALID_ARGUMENT",
      `database is ${describeValue(database)}; it must be the path of a file, or an open DatabaseSync of node:sqlite (Node >= 22.16).`,
    );
  }
  const path = database.location();
  return path === null ? { kind: "shared", database } : { kind: "file", path, guest: true };
}

/** @throws INVALID_ARGUMENT when the file is wanted to exist and does not. */
export function checkExists(settings: Settings): void {
  const { target, create } = settings;
  if (create || target.kind !== "file" || existsSync(target.path)) return;
  throw new JobferryError(
    "INVALID_ARGUMENT",
    `There is no database file at ${JSON.stringify(target.path)}. Correct the path, or leave out \`create: false\` to make one.`,
  );
}

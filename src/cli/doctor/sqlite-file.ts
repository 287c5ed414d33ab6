import { accessSync, constants, statfsSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import type { Check } from "./checks.ts";

const MEBIBYTE = 1024 * 1024;
const LEAST_FREE = 100 * MEBIBYTE;
const LITTLE_FREE = 1024 * MEBIBYTE;
/** The driver keeps it below 64 MiB unless a reader holds the WAL for long. */
const LARGE_WAL = 256 * MEBIBYTE;

/** What SQLite needs of the file and the disk under it. */
export function checkSqliteFile(path: string): readonly Check[] {
  return [checkWritable(path), checkDisk(path), checkWal(path)];
}

function checkWritable(path: string): Check {
  const directory = dirname(resolve(path));
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    accessSync(directory, constants.W_OK);
    return { name: "file", status: "ok", message: `${path} and its directory can be written` };
  } catch {
    const fix = "Give this user the right to write both: SQLite keeps -wal and -shm files beside the database.";
    return { name: "file", status: "failed", message: `${path} or its directory cannot be written`, fix };
  }
}

function checkDisk(path: string): Check {
  const { bavail, bsize } = statfsSync(dirname(resolve(path)));
  const free = bavail * bsize;
  const message = `${Math.floor(free / MEBIBYTE)} MiB free`;
  if (free >= LITTLE_FREE) return { name: "disk space", status: "ok", message };
  const status = free < LEAST_FREE ? "failed" : "warning";
  return { name: "disk space", status, message, fix: "Free space: pushes fail with STORE_FULL when there is none." };
}

function checkWal(path: string): Check {
  const size = statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0;
  const message = `${Math.ceil(size / MEBIBYTE)} MiB`;
  if (size < LARGE_WAL) return { name: "write-ahead log", status: "ok", message };
  const fix = "Look for a process that keeps a read transaction open on the file.";
  return { name: "write-ahead log", status: "warning", message, fix };
}

import type { ErrorClass } from "../../contract/index.ts";
import { isJobferryError, JobferryError } from "../../errors/index.ts";

/** SQLite's primary result codes (the low byte of the extended ones). */
const BUSY = 5;
const LOCKED = 6;
const FULL = 13;
const CANNOT_OPEN = 14;
const NOT_A_DATABASE = 26;

const READ_ONLY: ErrorClass = {
  code: "STORE_READ_ONLY",
  retryable: false,
  message:
    "The database cannot be written. Make the file and its directory writable for this user (SQLite keeps -wal and -shm files beside it).",
};

// No message repeats SQLite's own: that can hold SQL. Which file it is is told where it is opened.
const BY_RESULT: Readonly<Record<number, ErrorClass>> = {
  [BUSY]: unavailable(
    "The database file stayed locked by another writer. Try again; when it goes on, look for a process that keeps a transaction open on it.",
  ),
  [LOCKED]: unavailable("The database is in use by another statement of this process. Try again."),
  7: unavailable("SQLite ran out of memory. Give the process more, or push smaller payloads."),
  8: READ_ONLY,
  10: unavailable(
    "Reading or writing the database file failed. Look at the disk and its free space, and at the system log.",
  ),
  11: corrupt("The database file is damaged."),
  [FULL]: {
    code: "STORE_FULL",
    retryable: true,
    message:
      "The disk (or the size limit of the database) is full; nothing was stored. Free space or raise the limit, then try again.",
  },
  [CANNOT_OPEN]: {
    code: "UNAVAILABLE",
    retryable: false,
    message:
      "The database file cannot be opened. Its directory must exist, and this user must be allowed to read and write both.",
  },
  18: {
    code: "PAYLOAD_TOO_LARGE",
    retryable: false,
    message: "A value is larger than SQLite can store. Push a smaller payload.",
  },
  [NOT_A_DATABASE]: corrupt("The file is not an SQLite database, or its head is damaged."),
};

function unavailable(message: string): ErrorClass {
  return { code: "UNAVAILABLE", retryable: true, message };
}

function corrupt(what: string): ErrorClass {
  return {
    code: "STORE_CORRUPT",
    retryable: false,
    message: `${what} Nothing was changed. Restore a backup, or save what can be read with sqlite3's ".recover" into a new file.`,
  };
}

function resultOf(error: unknown): number | undefined {
  if (typeof error !== "object" || error === null || !("errcode" in error)) return undefined;
  return typeof error.errcode === "number" ? error.errcode & 0xff : undefined;
}

/** Whether another connection held the lock, so that the same statement may succeed a moment later. */
export function isBusy(error: unknown): boolean {
  const result = resultOf(error);
  return result === BUSY || result === LOCKED;
}

/** No room for the transaction, which was rolled back. */
export function isFull(error: unknown): boolean {
  return resultOf(error) === FULL;
}

export function isCannotOpen(error: unknown): boolean {
  return resultOf(error) === CANNOT_OPEN;
}

export function readOnly(cause: unknown): JobferryError {
  return new JobferryError(READ_ONLY.code, READ_ONLY.message ?? "", { cause });
}

/** Node's own, of a handle that was closed under the driver. */
function isClosedHandle(error: unknown): boolean {
  return typeof error === "object" && error !== null && "code" in error && error.code === "ERR_INVALID_STATE";
}

export function classify(error: unknown): ErrorClass {
  if (isJobferryError(error)) return { code: error.code, retryable: error.retryable, message: error.message };
  if (isClosedHandle(error)) {
    return {
      code: "CLOSED",
      retryable: false,
      message: "The database is closed. One that was handed in must stay open as long as its queue.",
    };
  }
  return BY_RESULT[resultOf(error) ?? -1] ?? { code: "UNEXPECTED", retryable: false };
}

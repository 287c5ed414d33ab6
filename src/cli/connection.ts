import { existsSync } from "node:fs";
import {
  createQueue,
  type Durability,
  isJobferryError,
  JobferryError,
  type Logger,
  type Queue,
  type QueueOptions,
} from "../entry/index.ts";
import { CliError } from "./cli-error.ts";
import { EXIT, exitCodeOf } from "./exit-codes.ts";
import { checkStore, openStore, type StoreOptions } from "./store.ts";
import type { Terminal } from "./terminal.ts";

export const DEFAULT_URL = "sqlite:./jobferry.db";

export type Connection = Readonly<{ url: string; queue: Queue }>;

/**
 * `make`: a SQLite file that is not there is made, otherwise a mistyped path would show an empty queue instead of an error; and what a stored
 * job survives matters, so that core warns where it is little.
 */
export type Opening = Readonly<{ make?: boolean; durability?: Durability | undefined }> &
  Pick<QueueOptions, "keepCompleted" | "keepFailed">;

/** Opens what `--url`, else JOBFERRY_URL, else the default names, and closes it after `use`. */
export async function withQueue<T>(
  terminal: Terminal,
  options: StoreOptions,
  { make = false, durability = make ? undefined : "process", ...retention }: Opening,
  use: (connection: Connection) => Promise<T>,
): Promise<T> {
  const { url, records: recordsUrl, prefix, partitions } = options;
  checkScheme(url, "--url (or JOBFERRY_URL)");
  checkScheme(recordsUrl, "--records (or JOBFERRY_RECORDS)");
  const target = url ?? DEFAULT_URL;
  if (url === undefined) terminal.note(`Using ${DEFAULT_URL}: neither --url nor JOBFERRY_URL is set.`);
  await checkStore(target, options);
  if (!make) checkExists(target, "--url (or JOBFERRY_URL)");
  if (!make && recordsUrl !== undefined) checkExists(recordsUrl, "--records (or JOBFERRY_RECORDS)");
  const logger = loggerOn(terminal);
  // With a second store the failed jobs lie there.
  const own = recordsUrl === undefined ? retention : { ...retention, keepFailed: true };
  const records =
    recordsUrl === undefined
      ? undefined
      : await at(recordsUrl, terminal, () => createQueue(recordsUrl, { logger, ...retention, durability: "process" }));
  try {
    return await at(target, terminal, async () => {
      const queue = await openStore(
        { url: target, records, prefix, partitions },
        { logger, ...own, ...(durability === undefined ? {} : { durability }) },
      );
      try {
        return await use({ url: target, queue });
      } finally {
        await queue.close();
      }
    });
  } finally {
    await records?.close();
  }
}

/** A variable that is set to nothing, or to a path alone, is told by its name. Not by its value: that may hold a password. */
export function checkScheme(url: string | undefined, options: string): void {
  if (url === undefined || /^[a-z][a-z0-9+.-]*:/i.test(url)) return;
  const hint = url.trim() === "" ? "is empty. Leave it out (unset the variable), or give" : "has no scheme. Give";
  throw new JobferryError("INVALID_ARGUMENT", `${options} ${hint} the URL of a store, for example sqlite:./jobs.db.`);
}

/** The path in a `sqlite:` URL; undefined for other backends and databases in memory. */
export function sqlitePath(url: string): string | undefined {
  const path = /^sqlite:(.*)$/is.exec(url)?.[1];
  return path === ":memory:" ? undefined : path;
}

export function checkExists(url: string, options: string): void {
  const path = sqlitePath(url);
  // What is no plain path is refused with its reason when it is opened.
  if (path === undefined || path === "" || /^\/\/(?!\/)|[?#]/.test(path) || existsSync(path)) return;
  throw new JobferryError(
    "INVALID_ARGUMENT",
    `There is no database at ${path}. Correct ${options}; "jobferry push" and "jobferry work" make a new one.`,
  );
}

/** What `act` fails with names the server. */
export async function at<T>(url: string, terminal: Terminal, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    throw placed(error, url, terminal);
  }
}

/** Says which server it was where the driver does not, and what only the command line knows. */
function placed(error: unknown, url: string, terminal: Terminal): unknown {
  if (!isJobferryError(error) || exitCodeOf(error) !== EXIT.backend) return error;
  const server = /:\/\/(?:.*@)?([^/?#]+)/s.exec(url)?.[1];
  const where =
    server === undefined || error.message.includes(server) ? "" : ` It was tried at ${terminal.redact(url)}.`;
  const isTls = error.code === "ACCESS_DENIED" && /TLS|certificate/.test(error.message);
  const hint = isTls ? " The command line trusts the authority whose certificate NODE_EXTRA_CA_CERTS names." : "";
  const details = { retryable: error.retryable };
  return new CliError(error.code, EXIT.backend, `${error.message}${where}${hint}`, { cause: error, details });
}

/** Warnings and errors of the library, without secrets, beside our own. */
export function loggerOn(terminal: Terminal): Logger {
  const warn = (fields: object, message: string): void => terminal.warn(message, { ...fields });
  return { debug: () => undefined, info: () => undefined, warn, error: warn };
}

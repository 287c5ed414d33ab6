import { existsSync } from "node:fs";
import { createQueue, JobferryError, type Logger, type Queue, type QueueOptions } from "../entry/index.ts";
import type { Terminal } from "./terminal.ts";

export const DEFAULT_URL = "sqlite:./jobferry.db";

export type Connection = Readonly<{ url: string; queue: Queue }>;

/** `make`: a SQLite file that is not there is made. Otherwise a mistyped path would show an empty queue instead of an error. */
export type Opening = Readonly<{ make?: boolean }> & Pick<QueueOptions, "keepCompleted" | "keepFailed">;

/** Opens what `--url`, else JOBFERRY_URL, else the default names, and closes it after `use`. */
export async function withQueue<T>(
  terminal: Terminal,
  url: string | undefined,
  opening: Opening,
  use: (connection: Connection) => Promise<T>,
): Promise<T> {
  const target = url ?? DEFAULT_URL;
  if (url === undefined) {
    terminal.note(`Using ${DEFAULT_URL}: neither --url nor JOBFERRY_URL is set.`);
  }
  const { make = false, ...retention } = opening;
  if (!make) checkExists(target);
  const queue = await createQueue(target, { logger: loggerOn(terminal), ...retention });
  try {
    return await use({ url: target, queue });
  } finally {
    await queue.close();
  }
}

/** The path in a `sqlite:` URL; undefined for other backends and databases in memory. */
export function sqlitePath(url: string): string | undefined {
  const path = /^sqlite:(.*)$/is.exec(url)?.[1];
  return path === ":memory:" ? undefined : path;
}

export function checkExists(url: string): void {
  const path = sqlitePath(url);
  if (path === undefined || path === "" || existsSync(path)) return;
  throw new JobferryError(
    "INVALID_ARGUMENT",
    `There is no database at ${path}. Correct --url (or JOBFERRY_URL); "jobferry push" and "jobferry work" make a new one.`,
  );
}

/** Warnings and errors of the library, without secrets, beside our own. */
export function loggerOn(terminal: Terminal): Logger {
  const warn = (fields: object, message: string): void => terminal.warn(message, { ...fields });
  return { debug: () => undefined, info: () => undefined, warn, error: warn };
}

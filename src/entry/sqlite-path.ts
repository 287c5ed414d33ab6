import { JobferryError } from "../errors/index.ts";

/**
 * The path in `sqlite:PATH`. What other URLs have is refused: with two slashes `jobs.db` would stand for a host and lie in the root of the file system, and what
 * follows a question mark would become part of the file's name. It is not repeated: it may hold a password.
 * @throws INVALID_ARGUMENT
 */
export function sqlitePathIn(rest: string): string {
  if (/^\/\/(?!\/)/.test(rest))
    throw new JobferryError(
      "INVALID_ARGUMENT",
      "A SQLite URL has no host. Write sqlite:./jobs.db for a file in this directory, or sqlite:/var/lib/jobs.db.",
    );
  if (/[?#]/.test(rest))
    throw new JobferryError(
      "INVALID_ARGUMENT",
      "A SQLite URL takes no options. Write sqlite:PATH, and give options to sqliteQueue(path, options); a file whose name holds ? or # is opened there, too.",
    );
  return rest.replace(/^\/\/\//, "/");
}

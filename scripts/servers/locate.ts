/** Where a server's programs come from: what is on this machine, the cache of the user, an installation. */
import { join } from "node:path";
import { cacheFolder } from "./cache-folder.ts";
import { exclusively } from "./lock-file.ts";

/** Paths by the name of the program. */
export type Located = Readonly<Record<string, string>>;

export interface Installer {
  /** Whether it can work on this machine and for this user. */
  readonly isPossible: () => boolean;
  /** By one process at a time. */
  readonly install: (cache: string) => Promise<void>;
}

export interface Needs {
  /** The kind whose folder in the cache this one shares. Default: its own. */
  readonly sharedWith?: string;
  /** `cache` is the kind's folder in the cache. */
  readonly find: (cache: string) => Located | undefined;
  readonly installers: readonly Installer[];
  /** What a person has to install, word for word. */
  readonly words: string;
}

/** The server cannot be had here: its tests are left out, unless the run requires it. */
export class ServerUnavailable extends Error {
  override readonly name = "ServerUnavailable";
}

export async function locate(kind: string, { sharedWith = kind, find, installers, words }: Needs): Promise<Located> {
  const cache = cacheFolder(sharedWith);
  const present = find(cache);
  if (present) return present;
  const reasons: string[] = [];
  for (const { isPossible, install } of installers) {
    if (!isPossible() || process.env["JOBFERRY_INSTALL"] === "never") continue;
    const installed = await exclusively(join(cache, "lock"), async () => {
      // Another process may have done it meanwhile.
      if (!find(cache)) await install(cache).catch((error: Error) => reasons.push(error.message));
      return find(cache);
    });
    if (installed) return installed;
  }
  throw new ServerUnavailable([`${kind} is not on this machine. ${words}`, ...reasons].join("\n"));
}

/** The path of a program that `find` has promised. */
export function program(located: Located, name: string): string {
  const path = located[name];
  if (path === undefined) throw new Error(`${name} was not looked for.`);
  return path;
}

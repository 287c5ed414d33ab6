import { mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** A folder that is kept between runs, for what takes long to get. */
export function cacheFolder(name: string): string {
  const cache =
    process.env["JOBFERRY_SERVERS_CACHE"] ??
    join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "jobferry-servers");
  const folder = join(cache, name);
  mkdirSync(folder, { recursive: true });
  return folder;
}

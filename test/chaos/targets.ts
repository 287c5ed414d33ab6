/** The stores that chaos can run on: one line a backend. */
import { basename } from "node:path";
import type { Driver } from "../../src/contract/index.ts";
import { redisDriver } from "../../src/drivers/redis/index.ts";
import { sqliteDriver } from "../../src/drivers/sqlite/index.ts";

/** `sqlite:PATH`, or a URL of Redis with the prefix of the keys behind a `#`. */
export function driverFor(url: string): Driver {
  const colon = url.indexOf(":");
  const rest = url.slice(colon + 1);
  switch (url.slice(0, colon)) {
    case "sqlite":
      return sqliteDriver({ path: rest });
    case "redis":
    case "redis+sentinel":
    case "redis+cluster":
      return redisOn(url);
    default:
      throw new Error(`No chaos target for ${url.slice(0, colon)}:`);
  }
}

function redisOn(target: string): Driver {
  const [url = "", prefix = "jobferry"] = target.split("#");
  return redisDriver({ url, prefix });
}

/** Where a run's jobs lie: in a folder of its own, or on the server of a URL under a prefix of its own. */
export function urlFor(scheme: string, folder: string): string {
  if (scheme.includes("://")) return `${scheme}#${basename(folder)}`;
  return scheme === "sqlite" ? `sqlite:${folder}/jobs.db` : `${scheme}:`;
}

/** The stores that chaos can run on: one line a backend. */
import type { Driver } from "../../src/contract/index.ts";
import { sqliteDriver } from "../../src/drivers/sqlite/index.ts";

/** `sqlite:PATH`. */
export function driverFor(url: string): Driver {
  const colon = url.indexOf(":");
  const rest = url.slice(colon + 1);
  switch (url.slice(0, colon)) {
    case "sqlite":
      return sqliteDriver({ path: rest });
    default:
      throw new Error(`No chaos target for ${url.slice(0, colon)}:`);
  }
}

/** Where a run's jobs lie, in a folder of its own. */
export function urlFor(scheme: string, folder: string): string {
  return scheme === "sqlite" ? `sqlite:${folder}/jobs.db` : `${scheme}:`;
}

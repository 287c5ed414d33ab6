import { Queue, type QueueOptions } from "../core/index.ts";
import { memoryDriver } from "../drivers/memory/memory-driver.ts";
import { JobferryError } from "../errors/index.ts";
import { nearest } from "../runtime/index.ts";

const SCHEMES = ["memory", "sqlite"];

/**
 * An open queue for a URL: `memory:`, `sqlite:./jobs.db`.
 * @throws INVALID_ARGUMENT for an unknown scheme; what opening throws.
 */
export async function createQueue(url: string, options?: QueueOptions): Promise<Queue> {
  const colon = typeof url === "string" ? url.indexOf(":") : -1;
  const scheme = colon < 0 ? "" : url.slice(0, colon).toLowerCase();
  const rest = url.slice(colon + 1);
  switch (scheme) {
    case "memory":
      return new Queue(memoryDriver(), options).open();
    case "sqlite": {
      const { sqliteQueue } = await import("./sqlite.ts");
      return sqliteQueue(rest, options).open();
    }
    default:
      throw unknownScheme(scheme);
  }
}

/** Names the scheme only: what follows it may hold a password. */
function unknownScheme(scheme: string): JobferryError {
  const meant = nearest(scheme, SCHEMES);
  const hint = meant === undefined ? "" : ` Did you mean "${meant}:"?`;
  const what = scheme === "" ? "The URL has no scheme" : `The URL's scheme "${scheme.slice(0, 20)}:" is not known`;
  return new JobferryError("INVALID_ARGUMENT", `${what}.${hint} Known: memory:, sqlite:PATH.`);
}

import type { CoordinationStore } from "../../contract/index.ts";
import { checkInteger, checkOptions, parseDuration } from "../../runtime/index.ts";
import type { Duration } from "../../runtime/index.ts";
import type { Size } from "./backlog.ts";

/** What users of a queue over a coordination store may set, beside where the store is. */
export type CoordinatedOptions = Readonly<{
  /**
   * The time to live of this process's session. What a process held that died comes back when its session has ended and its leases have run out. Default "10s", or
   * what the store takes at least.
   */
  sessionTtl?: Duration;
  /** How many jobs may wait in the whole store; a push beyond that fails with STORE_FULL. Default 10,000. */
  maxBacklog?: number;
  /** How many bytes these may have together, beside `maxBacklog`. Default 64 MiB. */
  maxBacklogBytes?: number;
}>;

export type CoordinatedDriverOptions = CoordinatedOptions &
  Readonly<{
    /** The backend, for messages and tables. */
    name: string;
    /** A new client of the store, not yet opened. Called for the jobs, and for what lives beside them. */
    connect: () => CoordinationStore;
  }>;

export const COORDINATED_OPTIONS = ["sessionTtl", "maxBacklog", "maxBacklogBytes"] as const;

export type Settings = Readonly<{ ttlMs: number | undefined; backlog: Size }>;

export const DEFAULT_BACKLOG: Size = { jobs: 10_000, bytes: 64 * 1024 * 1024 };

/** @throws INVALID_ARGUMENT. */
export function resolveOptions({ name, connect: _connect, ...options }: CoordinatedDriverOptions): Settings {
  checkOptions(name, options, COORDINATED_OPTIONS);
  const { sessionTtl, maxBacklog = DEFAULT_BACKLOG.jobs, maxBacklogBytes = DEFAULT_BACKLOG.bytes } = options;
  return {
    ttlMs: sessionTtl === undefined ? undefined : parseDuration(sessionTtl, "sessionTtl", { min: 1 }),
    backlog: { jobs: most("maxBacklog", maxBacklog), bytes: most("maxBacklogBytes", maxBacklogBytes) },
  };
}

function most(name: string, value: number): number {
  return value === Infinity ? Infinity : checkInteger(name, value, 1);
}

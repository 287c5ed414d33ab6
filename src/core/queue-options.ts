import type { Clock, Durability, Logger, Retention } from "../contract/index.ts";
import { invalidArgument } from "../errors/index.ts";
import { checkClock, checkInteger, checkLogger, checkOptions, parseDuration, type Duration } from "../runtime/index.ts";
import { ATTEMPT_OPTIONS, type Attempts, checkAttempts, type CheckedAttempts } from "./attempts.ts";

/** Which finished jobs stay: all (`true`), none (`false`), or the newest `count` not older than `age`. */
export type Keep = boolean | Readonly<{ count?: number; age?: Duration }>;

export type QueueOptions = Readonly<{
  clock?: Clock;
  /** pino's shape. Default: warnings and errors to stderr. */
  logger?: Logger;
  /** The visibility timeout: how long a popped job stays invisible to others. Default "30s". */
  lease?: Duration;
  /** Options of an attempt for jobs and workers that name none. */
  defaults?: Attempts;
  /** How many jobs may wait for their push to be sent. Further pushes wait. Default 10,000 (and 64 MiB). */
  maxPending?: number;
  /** How long a push may take before it fails with UNAVAILABLE. Default "10s". */
  pushTimeout?: Duration;
  /** Completed jobs are counted; these are kept as well, with their result. Default false. Opening fails where the backend cannot keep any. */
  keepCompleted?: Keep;
  /** Which failed jobs are kept. Default true. Opening fails where the backend keeps all of them, whatever is asked. */
  keepFailed?: Keep;
  /** The least that a resolved push must survive; opening fails where the backend gives less. */
  durability?: Durability;
  /** How long a job of a newer version is handed back before it is parked in failed. Default "1h". */
  versionGrace?: Duration;
}>;

export const QUEUE_OPTIONS: readonly string[] = [
  "clock",
  "logger",
  "lease",
  "defaults",
  "maxPending",
  "pushTimeout",
  "keepCompleted",
  "keepFailed",
  "durability",
  "versionGrace",
];

const DURABILITIES: readonly Durability[] = ["unknown", "process", "serverCrash", "power", "quorum"];
const MAX_PENDING_BYTES = 64 * 1024 * 1024;

export type QueueSettings = Readonly<{
  clock: Clock;
  logger: Logger;
  leaseMs: number;
  defaults: CheckedAttempts;
  maxPending: number;
  maxPendingBytes: number;
  pushTimeoutMs: number;
  completed: Retention;
  failed: Retention;
  durability: Durability | undefined;
  versionGraceMs: number;
}>;

/** @throws INVALID_ARGUMENT naming the option. */
export function checkQueueOptions(options: QueueOptions = {}): QueueSettings {
  checkOptions("queue", options, QUEUE_OPTIONS);
  const { durability, defaults = {} } = options;
  checkOptions("queue.defaults", defaults, ATTEMPT_OPTIONS);
  if (durability !== undefined && !DURABILITIES.includes(durability)) {
    throw invalidArgument("durability", durability, `one of ${DURABILITIES.join(", ")}`);
  }
  return {
    clock: checkClock(options.clock),
    logger: checkLogger(options.logger),
    leaseMs: parseDuration(options.lease ?? 30_000, "lease", { min: 1 }),
    defaults: checkAttempts("queue.defaults", defaults),
    maxPending: checkInteger("maxPending", options.maxPending ?? 10_000, 1, 10_000_000),
    maxPendingBytes: MAX_PENDING_BYTES,
    pushTimeoutMs: parseDuration(options.pushTimeout ?? 10_000, "pushTimeout", { min: 1 }),
    completed: checkKeep("keepCompleted", options.keepCompleted ?? false),
    failed: checkKeep("keepFailed", options.keepFailed ?? true),
    durability,
    versionGraceMs: parseDuration(options.versionGrace ?? 3_600_000, "versionGrace"),
  };
}

function checkKeep(field: string, keep: Keep): Retention {
  if (typeof keep === "boolean") return { count: keep ? Infinity : 0, ageMs: Infinity };
  if (typeof keep !== "object" || keep === null) throw invalidArgument(field, keep, "true, false, or { count, age }");
  checkOptions(field, keep, ["count", "age"]);
  return {
    count: keep.count === undefined ? Infinity : checkInteger(`${field}.count`, keep.count, 0),
    ageMs: keep.age === undefined ? Infinity : parseDuration(keep.age, `${field}.age`),
  };
}

/** Whether `found` survives at least what `wanted` does. */
export function survives(found: Durability, wanted: Durability): boolean {
  return DURABILITIES.indexOf(found) >= DURABILITIES.indexOf(wanted);
}

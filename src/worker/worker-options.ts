import {
  ATTEMPT_OPTIONS,
  type Attempts,
  type Backoff,
  checkAttempts,
  type CheckedAttempts,
  type Job,
} from "../core/index.ts";
import { invalidArgument } from "../errors/index.ts";
import { checkInteger, checkOptions, parseDuration, type Duration } from "../runtime/index.ts";
import type { WorkerEvents } from "./worker-events.ts";

export type WorkerOptions<J = Job> = Omit<Attempts, "backoff" | "maxLosses"> &
  Readonly<{
    /** A function gets the number of the failed attempt (from 1) and its error, and answers at once: no promise. */
    backoff?: Backoff | ((attempt: number, error: Error) => Duration);
    /** Whether an error is worth another attempt; it answers at once: no promise. Default: every one but a PermanentError. */
    shouldRetry?: (error: Error, job: J) => boolean;
    /** How many jobs run at once. Default 1. */
    concurrency?: number;
    /** How many jobs are fetched ahead. Default "auto": what the slots start within 20 ms, by the time that handlers took so far, at most 200. */
    prefetch?: number | "auto";
    /** The visibility timeout; renewed while the handler runs. Default: the queue's, "30s". */
    lease?: Duration;
    /** Stops after so many jobs were started. */
    maxJobs?: number;
    /** Stops after this time. */
    maxTime?: Duration;
    /** Stops when the process uses more memory than this, in bytes (resident set). */
    maxMemory?: number;
    /** Stops when nothing is pending but in queues that are paused. Delayed jobs do not count. */
    stopWhenEmpty?: boolean;
    /** How long a stop waits for running jobs before it aborts them. Default "25s". */
    stopTimeout?: Duration;
    /** How long a handler may go on after its signal fired. Default "5s". */
    abortGrace?: Duration;
    /** How long a job whose name has no route is handed back before it goes to failed with HANDLER_MISSING. Default "1h". */
    unknownJobTimeout?: Duration;
    onCompleted?: (event: WorkerEvents<J>["completed"]) => unknown;
    onFailed?: (event: WorkerEvents<J>["failed"]) => unknown;
  }>;

export const WORKER_OPTIONS: readonly string[] = [
  ...ATTEMPT_OPTIONS.filter((name) => name !== "maxLosses"),
  "shouldRetry",
  "concurrency",
  "prefetch",
  "lease",
  "maxJobs",
  "maxTime",
  "maxMemory",
  "stopWhenEmpty",
  "stopTimeout",
  "abortGrace",
  "unknownJobTimeout",
  "onCompleted",
  "onFailed",
];

export type WorkerSettings = Readonly<{
  attempts: CheckedAttempts;
  backoff: ((attempt: number, error: Error) => Duration) | undefined;
  shouldRetry: ((error: Error, job: Job) => boolean) | undefined;
  concurrency: number;
  prefetch: number | "auto";
  leaseMs: number | undefined;
  maxJobs: number;
  maxTimeMs: number;
  maxMemory: number;
  stopWhenEmpty: boolean;
  stopTimeoutMs: number;
  abortGraceMs: number;
  unknownJobTimeoutMs: number;
}>;

/** @throws INVALID_ARGUMENT naming the option and its limits. */
export function checkWorkerOptions(
  options: WorkerOptions<never>,
  known: readonly string[] = WORKER_OPTIONS,
): WorkerSettings {
  checkOptions("worker", options, known);
  const { backoff, prefetch = "auto", stopWhenEmpty = false, ...rest } = options;
  for (const name of ["shouldRetry", "onCompleted", "onFailed"] as const) {
    if (rest[name] !== undefined && typeof rest[name] !== "function")
      throw invalidArgument(name, rest[name], "a function");
  }
  if (typeof stopWhenEmpty !== "boolean") throw invalidArgument("stopWhenEmpty", stopWhenEmpty, "true or false");
  const { maxAttempts, maxExceptions, timeout } = rest;
  return {
    attempts: checkAttempts("worker", {
      ...(maxAttempts === undefined ? {} : { maxAttempts }),
      ...(maxExceptions === undefined ? {} : { maxExceptions }),
      ...(timeout === undefined ? {} : { timeout }),
      ...(backoff === undefined || typeof backoff === "function" ? {} : { backoff }),
    }),
    backoff: typeof backoff === "function" ? backoff : undefined,
    shouldRetry: rest.shouldRetry as ((error: Error, job: Job) => boolean) | undefined,
    concurrency: checkInteger("concurrency", rest.concurrency ?? 1, 1, 100_000),
    prefetch: prefetch === "auto" ? "auto" : checkInteger("prefetch", prefetch, 0, 100_000),
    leaseMs: rest.lease === undefined ? undefined : parseDuration(rest.lease, "lease", { min: 1 }),
    maxJobs: rest.maxJobs === undefined ? Infinity : checkInteger("maxJobs", rest.maxJobs, 1),
    maxTimeMs: rest.maxTime === undefined ? Infinity : parseDuration(rest.maxTime, "maxTime", { min: 1 }),
    maxMemory: rest.maxMemory === undefined ? Infinity : checkInteger("maxMemory", rest.maxMemory, 1),
    stopWhenEmpty,
    stopTimeoutMs: parseDuration(rest.stopTimeout ?? 25_000, "stopTimeout"),
    abortGraceMs: parseDuration(rest.abortGrace ?? 5_000, "abortGrace"),
    unknownJobTimeoutMs: parseDuration(rest.unknownJobTimeout ?? 3_600_000, "unknownJobTimeout"),
  };
}

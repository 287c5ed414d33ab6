import type { Capabilities } from "./capabilities.ts";
import type { Clock } from "./clock.ts";
import type { CoordinationStore } from "./coordination.ts";
import type { ErrorClass } from "./error-codes.ts";
import type { JobFailure, PushItem, Reservation, StoredJob } from "./job.ts";
import type { Logger } from "./logger.ts";
import type { DeadLetters, RecordStore } from "./records.ts";

/** How many finished jobs stay. 0 keeps none; Infinity keeps all. Both limits hold. */
export type Retention = Readonly<{ count: number; ageMs: number }>;

export type DriverContext = Readonly<{
  clock: Clock;
  logger: Logger;
  retention: Readonly<{ completed: Retention; failed: Retention }>;
}>;

/** `unknown`: the answer never came; the job may be stored or not. `refused`: by this job's own fault. `failed`: by the store's. */
export type PushResult =
  | Readonly<{ status: "stored" | "exists" | "unknown" }>
  | Readonly<{ status: "refused" | "failed"; error: unknown }>;

export type ReserveRequest = Readonly<{
  /** Searched in this order, not atomically. */
  queues: readonly string[];
  max: number;
  /** How many of `max` start at once. Jobs with losses are only given for these, never fetched ahead. Default: max. */
  free?: number;
  leaseMs: number;
  /** How long to wait for a first job; 0 answers at once. */
  waitMs: number;
  signal?: AbortSignal | undefined;
}>;

export type ReserveResult = Readonly<{
  reservations: readonly Reservation[];
  /** Jobs that the store failed by itself meanwhile (losses used up). */
  died: readonly StoredJob[];
  /** When something becomes due or runs out next on these queues, as far as the driver knows. */
  nextDueInMs: number | undefined;
  /** `clock.monotonic()` just before the claim was sent, from which holders count their leases. Default: when `reserve` was called, which a driver that waits for a first job should not leave it at. */
  claimedAt?: number;
}>;

export type FinishItem =
  | Readonly<{
      reservation: Reservation;
      outcome: "done";
      /** Kept with the completed job where the retention keeps any. */
      result?: Uint8Array | undefined;
    }>
  | Readonly<{
      reservation: Reservation;
      outcome: "release";
      /** Milliseconds by the store's clock until it is pending again. */
      delayMs: number;
      /** Gives the attempt back. */
      refund?: boolean;
      /** Recorded as the newest failure. */
      failure?: JobFailure | undefined;
      /** Counts as an attempt that threw. */
      threw?: boolean;
      /** Counts as a lost lease (whoever ran it died): losses + 1, and at `maxLosses` to failed with LEASE_EXPIRED, as if the lease had run out. */
      loss?: boolean;
    }>
  | Readonly<{ reservation: Reservation; outcome: "fail"; failure: JobFailure; threw?: boolean }>;

/** `lost`: the lease was no longer valid and nothing changed. `unknown`: no answer came. */
export type FinishResult = "ok" | "lost" | "unknown";

export type ExtendItem = Readonly<{ reservation: Reservation; leaseMs: number }>;
export type ExtendResult = "ok" | "lost";

export type MaintainResult = Readonly<{
  promoted: number;
  /** Leases that ran out and whose jobs are pending again; those that the store failed instead are in `died` only. */
  recovered: number;
  /** Finished jobs that went because the retention keeps no more. */
  pruned: number;
  died: readonly StoredJob[];
  nextDueInMs: number | undefined;
}>;

/** A number that the driver cannot know is undefined, never 0. */
export type StoredStats = Readonly<{
  pending: number | undefined;
  delayed: number | undefined;
  reserved: number | undefined;
  failed: number | undefined;
  /** Since the queue was made. */
  completed: number | undefined;
  /** Epoch milliseconds at which the oldest waiting job became pending. */
  oldestPendingAt: number | undefined;
  paused: boolean;
}>;

/**
 * Moves and keeps jobs. Every method takes a batch; core coalesces single calls. A driver does not retry, sleep or log on its own:
 * it throws its client's raw error and `classify` tells what it means.
 */
export interface Driver<in Tx = never> {
  /** The backend, for messages and tables. Nothing may decide by it. */
  readonly name: string;
  /**
   * For a driver inside the process that keeps the pushed items themselves and returns them as `StoredJob.item`: `copy` when each item holds
   * a private copy of its payload, `reference` when it holds the caller's own value. undefined: the driver reads `envelope` and `payload`.
   */
  readonly keeps?: "copy" | "reference" | undefined;
  open(context: DriverContext): Promise<Capabilities>;
  /** Resolves waiting reserves with what they hold, lets go of everything that this driver opened. Idempotent. */
  close(): Promise<void>;
  classify(error: unknown): ErrorClass;
  /** One answer per job, in order. One bad job never fails another. */
  push(jobs: readonly PushItem[], options?: Readonly<{ transaction?: Tx }>): Promise<readonly PushResult[]>;
  /** Never rejects while it holds jobs, never returns more than `max`. Abort resolves with what arrived. Fewer than `max` does not mean empty. */
  reserve(request: ReserveRequest): Promise<ReserveResult>;
  /** One answer per item, in order. */
  finish(items: readonly FinishItem[]): Promise<readonly FinishResult[]>;
  /** Sets each lease to end `leaseMs` from now by the store's clock. */
  extend(items: readonly ExtendItem[]): Promise<readonly ExtendResult[]>;
  /**
   * Promotes what is due, takes back what ran out, prunes; at most `max` of each, safe in any number of processes. Core calls it again at once
   * when it did `max` of something.
   */
  maintain(options: Readonly<{ max: number; signal?: AbortSignal | undefined }>): Promise<MaintainResult>;
  queues(): Promise<readonly string[]>;
  /** Of one queue, or of all together. */
  stats(queue?: string): Promise<StoredStats>;
  /** Removes what waits (pending and delayed); reserved and failed jobs and counters stay. */
  clear(queue?: string): Promise<Readonly<{ removed: number | undefined }>>;
  /** Stops new reservations by anyone. */
  pause(queue: string): Promise<void>;
  resume(queue: string): Promise<void>;
  readonly records?: RecordStore | undefined;
  /** Only without `records`. */
  readonly deadLetters?: DeadLetters | undefined;
  /** On the driver's own settings. Whoever uses it opens and closes it; the driver does neither. */
  readonly coordination?: CoordinationStore | undefined;
}

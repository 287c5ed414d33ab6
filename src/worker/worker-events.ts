import type { JobferryError } from "../errors/index.ts";
import type { Job, Route } from "../core/index.ts";

/** Why a worker stopped. `paused`: with `stopWhenEmpty`, what is pending is in queues that are paused. `closed`: its queue was closed under it. */
export type StopReason = "stopped" | "maxJobs" | "maxTime" | "maxMemory" | "empty" | "paused" | "signal" | "closed";

/** Each comes after the store accepted the change that it tells. */
export interface WorkerEvents<J> {
  completed: Readonly<{ job: J; result: unknown }>;
  /** Every failed attempt. `retryAt` is epoch milliseconds. */
  failed: Readonly<{ job: J; error: Error; willRetry: boolean; retryAt: number | undefined }>;
  /** The job is in failed now, by its last attempt or by the store (LEASE_EXPIRED). */
  dead: Readonly<{ job: Job; error: Error }>;
  /** The lease on a running job is gone; another worker may run it. */
  lost: Readonly<{ job: J }>;
  /** An inline handler ignored its signal for `abortGrace`; its slot stays taken until it settles. */
  stuck: Readonly<{ job: J }>;
  /** No route has the job's name; it was handed back. */
  unknown: Readonly<{ job: Job }>;
  /** The worker goes on by itself. Without a listener it is logged, and what comes again and again ever less often. */
  error: Readonly<{ error: JobferryError }>;
  /** `handedBack`: running jobs that did not end before the stop and run again elsewhere. */
  stopped: Readonly<{ reason: StopReason; handedBack: number }>;
}

/** The names of them all. */
export const WORKER_EVENTS: readonly (keyof WorkerEvents<never>)[] = [
  "completed",
  "failed",
  "dead",
  "lost",
  "stuck",
  "unknown",
  "error",
  "stopped",
];

/** The union of the jobs that routes take; any job for one function. */
export type JobIn<W> = W extends readonly (infer T)[]
  ? T extends Route<infer P, infer _R, infer N>
    ? Job<P, N>
    : never
  : Job;

/** Where a runner reports to. */
export interface EventSink {
  hears(event: keyof WorkerEvents<Job>): boolean;
  tell<K extends keyof WorkerEvents<Job>>(event: K, value: WorkerEvents<Job>[K]): void;
}

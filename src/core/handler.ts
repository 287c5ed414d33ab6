import type { Duration } from "../runtime/index.ts";
import type { Job } from "./job.ts";

declare const outcome: unique symbol;

/** A result other than "done", made by the handler's context. */
export interface Outcome {
  readonly [outcome]: "retry" | "cancel" | "snooze";
}

/** May be taken apart: `(job, { signal, retry }) => …`. */
export interface JobContext {
  /** Aborts with a JobferryError: TIMEOUT, LEASE_LOST, CANCELLED or SHUTDOWN. */
  readonly signal: AbortSignal;
  /** Moves the end of the lease to `fromNow`. A worker renews leases by itself; this is for handlers that block the event loop. @throws LEASE_LOST */
  readonly extend: (fromNow: Duration) => Promise<void>;
  /** Return it to try again later: counts as an attempt, not as an exception. */
  readonly retry: (options: Readonly<{ in: Duration }>) => Outcome;
  /** Return it to end the job in failed with CANCELLED, without retry. */
  readonly cancel: (reason: string) => Outcome;
  /** Return it to run the job later as if this attempt had not been. */
  readonly snooze: (delay: Duration) => Outcome;
}

export type Handler<P, R, N extends string = string> = (
  job: Job<P, N>,
  context: JobContext,
) => R | Outcome | Promise<R | Outcome>;

export interface Route<P, R, N extends string> {
  readonly name: N;
  readonly handler: Handler<P, R, N>;
}

export type Routes = readonly Readonly<{ name: string; handler: (job: never, context: JobContext) => unknown }>[];

/** One function (payload unknown), or routes by job name. Also what a handler module exports as default. */
export type Work = Handler<unknown, unknown> | Routes;

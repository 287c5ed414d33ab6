import type { Clock, JobFailure } from "../contract/index.ts";
import {
  backoffDelay,
  BUILT_IN,
  type CheckedAttempts,
  type Envelope,
  type JobSnapshot,
  type Lease,
} from "../core/index.ts";
import { failureFrom, isPermanent, JobferryError } from "../errors/index.ts";
import { parseDuration } from "../runtime/index.ts";
import type { OutcomeData } from "./outcome.ts";
import type { Verdict } from "./verdict.ts";
import type { WorkerSettings } from "./worker-options.ts";

/** What must be known of an attempt to judge it. */
export type Judged = Readonly<{
  job: JobSnapshot;
  lease: Lease;
  envelope: Envelope;
  aborted: JobferryError | undefined;
}>;

/** Applies the options of an attempt: the job's own first, then the worker's, the queue's, the built-in. */
export class Judge {
  readonly #worker: WorkerSettings;
  readonly #queue: CheckedAttempts;
  readonly #clock: Clock;

  constructor(worker: WorkerSettings, queue: CheckedAttempts, clock: Clock) {
    this.#worker = worker;
    this.#queue = queue;
    this.#clock = clock;
  }

  timeout(envelope: Envelope): number | undefined {
    return envelope.timeout ?? this.#worker.attempts.timeout ?? this.#queue.timeout;
  }

  /** A job whose `retryUntil` has passed is not started any more. */
  expired(attempt: Judged): Verdict | undefined {
    const { retryUntil } = attempt.envelope;
    if (retryUntil === undefined || this.#clock.now() <= retryUntil) return undefined;
    const error = new JobferryError(
      "RETRY_EXPIRED",
      `retryUntil (${new Date(retryUntil).toISOString()}) has passed, so no attempt is made any more.`,
    );
    return this.#fail(attempt, error, failureFrom(error), false);
  }

  threw(attempt: Judged, thrown: unknown): Verdict {
    const { aborted } = attempt;
    if (aborted?.code === "SHUTDOWN") return this.handBack(attempt);
    const cause = aborted?.code === "TIMEOUT" ? aborted : asError(thrown);
    const failure = aborted?.code === "TIMEOUT" ? timeoutFailure(aborted, thrown) : failureFrom(unwrapped(cause));
    const error = unwrapped(cause);
    if (isPermanent(thrown) || this.#worker.shouldRetry?.(error, attempt.job) === false)
      return this.#fail(attempt, error, failure, true);
    const { maxExceptions = this.#worker.attempts.maxExceptions ?? this.#queue.maxExceptions } = attempt.envelope;
    if (maxExceptions !== undefined && attempt.job.exceptions + 1 >= maxExceptions)
      return this.#fail(attempt, error, failure, true);
    return this.#again(attempt, error, failure, true, undefined);
  }

  outcome(attempt: Judged, outcome: OutcomeData): Verdict {
    const { reservation } = attempt.lease;
    switch (outcome.kind) {
      case "snooze":
        return {
          item: { reservation, outcome: "release", delayMs: outcome.delayMs, refund: true },
          error: undefined,
          retryInMs: outcome.delayMs,
        };
      case "cancel": {
        const error = new JobferryError("CANCELLED", outcome.reason);
        return this.#fail(attempt, error, failureFrom(error), false);
      }
      case "retry": {
        const error = new Error("The handler asked for another attempt.");
        return this.#again(attempt, error, failureFrom(error), false, outcome.delayMs);
      }
    }
  }

  /** The attempt does not count: it never started, or the worker stops. */
  handBack(attempt: Judged, delayMs = 0): Verdict {
    return {
      item: { reservation: attempt.lease.reservation, outcome: "release", delayMs, refund: true },
      error: undefined,
      retryInMs: delayMs,
    };
  }

  /** Whoever ran it died: as if the lease had run out, but at once. */
  workerDied(attempt: Judged, error: Error): Verdict {
    const { reservation } = attempt.lease;
    if (attempt.aborted?.code === "TIMEOUT") return this.threw(attempt, attempt.aborted);
    return {
      item: { reservation, outcome: "release", delayMs: 0, failure: failureFrom(error, "WORKER_DIED"), loss: true },
      error: undefined,
      retryInMs: 0,
    };
  }

  /** To failed without a handler having run. */
  refuse(attempt: Judged, error: JobferryError): Verdict {
    return this.#fail(attempt, error, failureFrom(error), false);
  }

  /** Another attempt, as long as there are any. Lost leases are not among them. */
  #again(attempt: Judged, error: Error, failure: JobFailure, threw: boolean, asked: number | undefined): Verdict {
    const { envelope, job } = attempt;
    const maxAttempts =
      envelope.maxAttempts ?? this.#worker.attempts.maxAttempts ?? this.#queue.maxAttempts ?? BUILT_IN.maxAttempts;
    const tried = job.attempts - job.losses;
    if (tried >= maxAttempts) return this.#fail(attempt, error, failure, threw);
    const delayMs = asked ?? this.#delay(envelope, tried, error);
    if (envelope.retryUntil !== undefined && this.#clock.now() + delayMs > envelope.retryUntil) {
      return this.#fail(attempt, error, { ...failure, code: "RETRY_EXPIRED" }, threw);
    }
    const { reservation } = attempt.lease;
    return { item: { reservation, outcome: "release", delayMs, failure, threw }, error, retryInMs: delayMs };
  }

  #delay(envelope: Envelope, tried: number, error: Error): number {
    if (envelope.backoff !== undefined) return backoffDelay(envelope.backoff, tried, this.#clock);
    if (this.#worker.backoff !== undefined) return parseDuration(this.#worker.backoff(tried, error), "backoff()");
    return backoffDelay(this.#worker.attempts.backoff ?? this.#queue.backoff ?? BUILT_IN.backoff, tried, this.#clock);
  }

  #fail(attempt: Judged, error: Error, failure: JobFailure, threw: boolean): Verdict {
    return {
      item: { reservation: attempt.lease.reservation, outcome: "fail", failure, threw },
      error,
      retryInMs: undefined,
    };
  }
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(failureFrom(thrown).message, { cause: thrown });
}

/** A mark around somebody else's error is not what went wrong. */
function unwrapped(error: Error): Error {
  return isPermanent(error) && error.cause instanceof Error ? error.cause : error;
}

function timeoutFailure(timeout: JobferryError, thrown: unknown): JobFailure {
  const failure = failureFrom(timeout);
  return thrown === timeout || thrown === undefined ? failure : { ...failure, stack: failureFrom(thrown).stack };
}

import type { Clock, JobFailure } from "../contract/index.ts";
import {
  backoffDelay,
  BUILT_IN,
  type CheckedAttempts,
  type Envelope,
  type JobSnapshot,
  type Lease,
} from "../core/index.ts";
import { describeValue, failureFrom, isPermanent, JobferryError } from "../errors/index.ts";
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

export type JudgeHost = Readonly<{
  clock: Clock;
  /** The longest delay that the store keeps. */
  maxDelayMs: () => number;
  /** Told what was wrong with a `backoff` or `shouldRetry` of the user; the attempt is judged without it. */
  error: (error: unknown) => void;
}>;

/** Applies the options of an attempt: the job's own first, then the worker's, the queue's, the built-in. Never throws: each attempt must come to its end. */
export class Judge {
  readonly #worker: WorkerSettings;
  readonly #queue: CheckedAttempts;
  readonly #host: JudgeHost;

  constructor(worker: WorkerSettings, queue: CheckedAttempts, host: JudgeHost) {
    this.#worker = worker;
    this.#queue = queue;
    this.#host = host;
  }

  timeout(envelope: Envelope): number | undefined {
    return envelope.timeout ?? this.#worker.attempts.timeout ?? this.#queue.timeout;
  }

  /** A job whose `retryUntil` has passed is not started any more. */
  expired(attempt: Judged): Verdict | undefined {
    const { retryUntil } = attempt.envelope;
    if (retryUntil === undefined || this.#host.clock.now() <= retryUntil) return undefined;
    return this.refuse(
      attempt,
      new JobferryError(
        "RETRY_EXPIRED",
        `retryUntil (${timeText(retryUntil)}) has passed, so no attempt is made any more.`,
      ),
    );
  }

  threw(attempt: Judged, thrown: unknown): Verdict {
    const { aborted } = attempt;
    const permanent = isMarkedPermanent(thrown);
    if (aborted?.code === "SHUTDOWN" && !permanent) return this.handBack(attempt);
    const timedOut = aborted?.code === "TIMEOUT";
    const error = timedOut ? aborted : errorOf(thrown);
    const failure = timedOut ? timeoutFailure(aborted, thrown) : failureFrom(error);
    if (permanent || !this.#worthRetry(error, attempt.job)) return fail(attempt, error, failure, true);
    const { maxExceptions = this.#worker.attempts.maxExceptions ?? this.#queue.maxExceptions } = attempt.envelope;
    if (maxExceptions !== undefined && attempt.job.exceptions + 1 >= maxExceptions)
      return fail(attempt, error, failure, true);
    return this.#again(attempt, error, failure, true, undefined);
  }

  outcome(attempt: Judged, outcome: OutcomeData): Verdict {
    const { reservation } = attempt.lease;
    if (outcome.kind === "cancel") return this.refuse(attempt, new JobferryError("CANCELLED", outcome.reason));
    const { delayMs } = outcome;
    if (delayMs > this.#host.maxDelayMs()) return this.threw(attempt, this.#tooLong(outcome.kind, delayMs));
    if (outcome.kind === "snooze") {
      return {
        item: { reservation, outcome: "release", delayMs, refund: true },
        error: undefined,
        retryInMs: delayMs,
      };
    }
    const error = new Error("The handler asked for another attempt.");
    return this.#again(attempt, error, failureFrom(error), false, delayMs);
  }

  /** The attempt does not count: it never started, or the worker stops. */
  handBack(attempt: Judged, delayMs = 0): Verdict {
    const { reservation } = attempt.lease;
    const delay = Math.min(delayMs, this.#host.maxDelayMs());
    return {
      item: { reservation, outcome: "release", delayMs: delay, refund: true },
      error: undefined,
      retryInMs: delay,
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

  /** To failed, though no handler threw. */
  refuse(attempt: Judged, error: JobferryError): Verdict {
    return fail(attempt, error, failureFrom(error), false);
  }

  #worthRetry(error: Error, job: JobSnapshot): boolean {
    try {
      return this.#worker.shouldRetry === undefined || trueOrFalse(atOnce(this.#worker.shouldRetry(error, job)));
    } catch (cause) {
      this.#host.error(callbackError("shouldRetry", cause));
      return true;
    }
  }

  /** Another attempt, as long as there are any. Lost leases are not among them. */
  #again(attempt: Judged, error: Error, failure: JobFailure, threw: boolean, asked: number | undefined): Verdict {
    const { envelope, job } = attempt;
    const maxAttempts =
      envelope.maxAttempts ?? this.#worker.attempts.maxAttempts ?? this.#queue.maxAttempts ?? BUILT_IN.maxAttempts;
    const tried = job.attempts - job.losses;
    if (tried >= maxAttempts) return fail(attempt, error, failure, threw);
    // A store that keeps no delay as long makes the next attempt as late as it can.
    const delayMs = Math.min(asked ?? this.#delay(envelope, tried, error), this.#host.maxDelayMs());
    if (envelope.retryUntil !== undefined && this.#host.clock.now() + delayMs > envelope.retryUntil)
      return fail(attempt, error, { ...failure, code: "RETRY_EXPIRED" }, threw);
    const { reservation } = attempt.lease;
    return { item: { reservation, outcome: "release", delayMs, failure, threw }, error, retryInMs: delayMs };
  }

  #delay(envelope: Envelope, tried: number, error: Error): number {
    const { clock } = this.#host;
    if (envelope.backoff !== undefined) return backoffDelay(envelope.backoff, tried, clock);
    const { backoff, attempts } = this.#worker;
    try {
      if (backoff !== undefined) return parseDuration(atOnce(backoff(tried, error)), "what backoff() returned");
    } catch (cause) {
      this.#host.error(callbackError("backoff", cause));
    }
    return backoffDelay(attempts.backoff ?? this.#queue.backoff ?? BUILT_IN.backoff, tried, clock);
  }

  #tooLong(kind: "retry" | "snooze", delayMs: number): JobferryError {
    const max = this.#host.maxDelayMs();
    return new JobferryError(
      "UNSUPPORTED",
      `${kind} was asked for in ${delayMs} ms; this backend delays a job by at most ${max} ms. Ask for less.`,
    );
  }
}

function fail(attempt: Judged, error: Error, failure: JobFailure, threw: boolean): Verdict {
  const { reservation } = attempt.lease;
  return { item: { reservation, outcome: "fail", failure, threw }, error, retryInMs: undefined };
}

/** A thrown value may be a proxy or have getters that throw. */
function isMarkedPermanent(thrown: unknown): boolean {
  try {
    return isPermanent(thrown);
  } catch {
    return false;
  }
}

/** What listeners get: the error itself. A mark around somebody else's error is not what went wrong. */
function errorOf(thrown: unknown): Error {
  try {
    if (isPermanent(thrown) && thrown.cause instanceof Error) return thrown.cause;
    if (thrown instanceof Error) return thrown;
  } catch {
    // As below.
  }
  return new Error(failureFrom(thrown).message, { cause: thrown });
}

function timeoutFailure(timeout: JobferryError, thrown: unknown): JobFailure {
  const failure = failureFrom(timeout);
  return thrown === timeout || thrown === undefined ? failure : { ...failure, stack: failureFrom(thrown).stack };
}

/** A promise where an answer is wanted would be taken for "yes", and end the process when it rejects. */
function atOnce<T>(answer: T): T {
  if (typeof (answer as { then?: unknown } | null | undefined)?.then !== "function") return answer;
  Promise.resolve(answer).catch(() => undefined);
  throw new TypeError("it returned a promise; it must answer at once");
}

/** No answer at all, for example of a function whose "return" was forgotten, would be taken for "yes". */
function trueOrFalse(answer: unknown): boolean {
  if (typeof answer === "boolean") return answer;
  throw new TypeError(`it returned ${describeValue(answer)}; it must return true or false`);
}

function callbackError(name: string, cause: unknown): JobferryError {
  return new JobferryError(
    "UNEXPECTED",
    `The worker's option ${name} failed, so the attempt was judged without it: ${failureFrom(cause).message}`,
    { cause },
  );
}

/** An envelope may hold any number. */
function timeText(epochMs: number): string {
  const date = new Date(epochMs);
  return Number.isNaN(date.getTime()) ? `${epochMs}` : date.toISOString();
}

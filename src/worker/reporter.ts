import type { FinishResult, StoredJob } from "../contract/index.ts";
import { decodeEnvelope, type Engine, JobSnapshot } from "../core/index.ts";
import { errorFrom, failureFrom, isJobferryError, JobferryError } from "../errors/index.ts";
import type { Attempt } from "./attempt.ts";
import type { EventSink } from "./worker-events.ts";

const LEASE_EXPIRED = {
  code: "LEASE_EXPIRED",
  name: "JobferryError",
  message: "The lease ran out too often.",
  stack: undefined,
};

/** Tells and counts how attempts ended, after the store has answered. Nothing here throws. */
export class Reporter {
  readonly #engine: Engine;
  readonly #sink: EventSink;
  /** Attempts that ended here, failed ones included; what was handed back is in none of them. */
  processed = 0;
  failed = 0;

  constructor(engine: Engine, sink: EventSink) {
    this.#engine = engine;
    this.#sink = sink;
  }

  settled(attempt: Attempt, result: FinishResult): void {
    if (result === "ok") return attempt.verdict === undefined ? this.#completed(attempt) : this.#judged(attempt);
    // What never ran has no end to tell of: whoever takes it next runs it for the first time.
    if (!attempt.ran) return;
    if (result === "lost") {
      if (!attempt.lost) this.lost(attempt);
      return;
    }
    this.error(
      new JobferryError(
        "FINISH_UNKNOWN",
        `The store did not confirm the end of job ${attempt.job.id} before its lease ended; it may run again. Handlers must bear being run twice.`,
      ),
    );
  }

  #completed(attempt: Attempt): void {
    this.processed += 1;
    if (this.#sink.hears("completed")) this.#sink.tell("completed", { job: attempt.job, result: attempt.value });
  }

  #judged({ verdict, job }: Attempt): void {
    if (verdict?.unknown === true) this.#sink.tell("unknown", { job });
    if (verdict?.error === undefined) return;
    const { error, retryInMs } = verdict;
    this.processed += 1;
    this.failed += 1;
    const willRetry = retryInMs !== undefined;
    this.#sink.tell("failed", {
      job,
      error,
      willRetry,
      retryAt: willRetry ? this.#engine.clock.now() + retryInMs : undefined,
    });
    if (!willRetry) this.#sink.tell("dead", { job, error });
  }

  lost(attempt: Attempt): void {
    attempt.lost = true;
    this.#sink.tell("lost", { job: attempt.job });
  }

  stuck({ job }: Attempt): void {
    this.#sink.tell("stuck", { job });
  }

  /** Jobs that the store itself failed. */
  died(jobs: readonly StoredJob[]): void {
    for (const stored of jobs) {
      try {
        const { item, envelope, failure = LEASE_EXPIRED } = stored;
        const fields = item === undefined ? decodeEnvelope(envelope) : JobSnapshot.fieldsOf(item);
        this.#sink.tell("dead", { job: new JobSnapshot(stored, fields), error: errorFrom(failure) });
      } catch (error) {
        this.error(error);
      }
    }
  }

  error(cause: unknown): void {
    const error = isJobferryError(cause)
      ? cause
      : new JobferryError("UNEXPECTED", failureFrom(cause).message, { cause });
    this.#sink.tell("error", { error });
  }
}

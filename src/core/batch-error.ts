import { isJobferryError, JobferryError } from "../errors/index.ts";
import type { Job } from "./job.ts";
import type { NewJob } from "./new-job.ts";

/** Not every job of a batch was confirmed. Pushing `unconfirmed` again is safe where pushes are by id. */
export class BatchError extends JobferryError {
  declare readonly code: "BATCH_INCOMPLETE";
  readonly stored: readonly Job[];
  readonly unconfirmed: readonly NewJob[];

  constructor(stored: readonly Job[], unconfirmed: readonly NewJob[], cause: unknown) {
    const total = stored.length + unconfirmed.length;
    const retryable = !isJobferryError(cause) || cause.retryable;
    const advice = retryable ? "Push error.unconfirmed again" : "Mend what the cause says, then push error.unconfirmed";
    const why = cause instanceof Error ? cause.message : String(cause);
    super("BATCH_INCOMPLETE", `${unconfirmed.length} of ${total} jobs were not confirmed. ${advice}. Cause: ${why}`, {
      cause,
      retryable,
    });
    this.stored = stored;
    this.unconfirmed = unconfirmed;
  }
}

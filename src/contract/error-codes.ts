/** Every code that a Jobferry error, a failed job's reason or an aborted signal can carry. `docs/errors.md` explains each; a test keeps both equal. */
export type ErrorCode =
  | "ACCESS_DENIED"
  | "BATCH_INCOMPLETE"
  | "CANCELLED"
  | "CLIENT_MISSING"
  | "CLOSED"
  | "ENVELOPE_DAMAGED"
  | "ENVELOPE_NEWER"
  | "FINISH_UNKNOWN"
  | "HANDLER_FAILED"
  | "HANDLER_MISSING"
  | "INPUT_INVALID"
  | "INVALID_ARGUMENT"
  | "JOB_FROZEN"
  | "LEASE_EXPIRED"
  | "LEASE_LOST"
  | "MODULE_INVALID"
  | "NO_DEFAULT_QUEUE"
  | "NOT_OPEN"
  | "PAYLOAD_INVALID"
  | "PAYLOAD_TOO_LARGE"
  | "QUEUE_UNKNOWN"
  | "RETRY_EXPIRED"
  | "SHUTDOWN"
  | "STORE_CORRUPT"
  | "STORE_FOREIGN"
  | "STORE_FULL"
  | "STORE_NEWER"
  | "STORE_READ_ONLY"
  | "TIMEOUT"
  | "UNAVAILABLE"
  | "UNEXPECTED"
  | "UNSUPPORTED"
  | "WORKER_DIED";

/** How a driver reads a raw error of its client. */
export type ErrorClass = Readonly<{
  code: ErrorCode;
  /** Whether the same call may succeed later without a change by the caller. */
  retryable: boolean;
  /** What to tell the user; without secrets. Default: the raw error's own message. */
  message?: string;
}>;

import type { ErrorCode } from "../contract/index.ts";

const brand = Symbol.for("jobferry.error");

export type ErrorOptions = Readonly<{ cause?: unknown; retryable?: boolean }>;

/**
 * Every error that Jobferry throws, and the reason of every signal that it aborts. `code` is stable; `message` says what to do.
 * `retryable` tells whether the same call may succeed later without a change.
 */
export class JobferryError extends Error {
  readonly code: ErrorCode;
  readonly retryable: boolean;

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.retryable = options.retryable ?? false;
  }

  static {
    // On the prototype: one property less on every instance, and a printed error does not list it.
    Object.defineProperty(this.prototype, brand, { value: true });
    Object.defineProperty(this.prototype, "name", { value: "JobferryError", configurable: true, writable: true });
  }
}

/** Another worker owns the job now, or the lease ran out. Nothing was changed. */
export class LeaseLostError extends JobferryError {
  declare readonly code: "LEASE_LOST";

  constructor(message: string, options: ErrorOptions = {}) {
    super("LEASE_LOST", message, options);
  }
}

/** The backend cannot do what was asked. `capability` names what is missing. */
export class UnsupportedError extends JobferryError {
  declare readonly code: "UNSUPPORTED";
  readonly capability: string;

  constructor(capability: string, message: string, options: ErrorOptions = {}) {
    super("UNSUPPORTED", message, options);
    this.capability = capability;
  }
}

/** Works across copies of this package, threads and processes, where `instanceof` does not. */
export function isJobferryError<C extends ErrorCode = ErrorCode>(
  error: unknown,
  code?: C,
): error is JobferryError & { readonly code: C } {
  if (typeof error !== "object" || error === null) return false;
  const branded = brand in error || ("name" in error && error.name === "JobferryError");
  return branded && "code" in error && typeof error.code === "string" && (code === undefined || error.code === code);
}

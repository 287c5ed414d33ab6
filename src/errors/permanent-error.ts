const brand = Symbol.for("jobferry.permanent");

/**
 * Throw it in a handler when another attempt cannot help: the job goes to failed at once, whatever `maxAttempts` says.
 * An error that is wrapped keeps its own name, code and stack in the record of the failed job.
 */
export class PermanentError extends Error {
  constructor(message: string, options?: Readonly<{ cause?: unknown }>) {
    super(message, options);
    this.name = "PermanentError";
  }

  static {
    Object.defineProperty(this.prototype, brand, { value: true });
  }

  /** Marks an error of somebody else. */
  static from(error: unknown): PermanentError {
    if (isPermanent(error)) return error;
    return new PermanentError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

export function isPermanent(error: unknown): error is PermanentError {
  return typeof error === "object" && error !== null && brand in error;
}

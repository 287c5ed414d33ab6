import type { ErrorCode } from "../entry/index.ts";

/** Codes of the command line alone stand beside those of the library. */
export type CliErrorCode = ErrorCode | "CHECK_FAILED" | "NOT_CONFIRMED" | "NOT_FOUND" | "INTERRUPTED";

/** An error whose exit code does not follow from its code alone. */
export class CliError extends Error {
  readonly code: CliErrorCode;
  readonly exitCode: number;
  /** Further fields of the error's JSON form. */
  readonly details: Readonly<Record<string, unknown>>;

  constructor(
    code: CliErrorCode,
    exitCode: number,
    message: string,
    options: Readonly<{ cause?: unknown; details?: Readonly<Record<string, unknown>> }> = {},
  ) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.exitCode = exitCode;
    this.details = options.details ?? {};
  }
}

import { isJobferryError, type ErrorCode } from "../entry/index.ts";
import { CliError } from "./cli-error.ts";

/** What the process ends with. Stable: scripts and supervisors decide by it. docs/guides/cli.md explains each. */
export const EXIT = {
  ok: 0,
  unexpected: 1,
  usage: 2,
  backend: 3,
  notFound: 4,
  partial: 5,
  checkFailed: 6,
  handedBack: 7,
  memory: 12,
  interrupted: 130,
  terminated: 143,
} as const;

const BY_CODE: Partial<Record<ErrorCode, number>> = {
  ACCESS_DENIED: EXIT.backend,
  BATCH_INCOMPLETE: EXIT.partial,
  CLIENT_MISSING: EXIT.usage,
  INPUT_INVALID: EXIT.usage,
  INVALID_ARGUMENT: EXIT.usage,
  MODULE_INVALID: EXIT.usage,
  PAYLOAD_INVALID: EXIT.usage,
  PAYLOAD_TOO_LARGE: EXIT.usage,
  UNSUPPORTED: EXIT.usage,
  STORE_CORRUPT: EXIT.backend,
  STORE_FOREIGN: EXIT.backend,
  STORE_FULL: EXIT.backend,
  STORE_NEWER: EXIT.backend,
  STORE_OUTDATED: EXIT.backend,
  STORE_READ_ONLY: EXIT.backend,
  TIMEOUT: EXIT.backend,
  UNAVAILABLE: EXIT.backend,
};

export function exitCodeOf(error: unknown): number {
  if (error instanceof CliError) return error.exitCode;
  return isJobferryError(error) ? (BY_CODE[error.code] ?? EXIT.unexpected) : EXIT.unexpected;
}

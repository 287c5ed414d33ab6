import type { Driver } from "../contract/index.ts";
import { failureFrom, isJobferryError, JobferryError } from "../errors/index.ts";

/** The one place where a client's raw error becomes ours. */
export function wrapError(driver: Driver, error: unknown, doing: string): JobferryError {
  if (isJobferryError(error)) return error;
  const { code, retryable, message } = driver.classify(error);
  const text = message ?? failureFrom(error).message; // anything may have been thrown
  return new JobferryError(code, `${doing} on ${driver.name} failed: ${text}`, { cause: error, retryable });
}

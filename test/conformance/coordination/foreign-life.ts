import type { CoordinationContext, ErrorClass } from "../../../src/contract/index.ts";
import { isJobferryError, JobferryError } from "../../../src/errors/index.ts";

/** Opening and closing, alike for the foreign kinds. */
export class ForeignLife {
  readonly closed = new AbortController();
  #open = false;

  async open(_context: CoordinationContext): Promise<void> {
    if (this.closed.signal.aborted) throw new JobferryError("CLOSED", "closed");
    this.#open = true;
  }

  async close(): Promise<void> {
    this.closed.abort();
  }

  /** @throws NOT_OPEN, CLOSED. */
  check(): void {
    if (this.closed.signal.aborted) throw new JobferryError("CLOSED", "closed");
    if (!this.#open) throw new JobferryError("NOT_OPEN", "not open");
  }
}

export function classify(error: unknown): ErrorClass {
  if (isJobferryError(error)) return { code: error.code, retryable: error.retryable, message: error.message };
  return { code: "UNAVAILABLE", retryable: true };
}

import type { JobContext, Outcome } from "../../core/index.ts";
import type { JobferryError } from "../../errors/index.ts";
import { parseDuration, type Duration } from "../../runtime/index.ts";
import { makeOutcome } from "../outcome.ts";

/** A handler's context in a child. The lease itself is the parent's. */
export class ChildAttempt implements JobContext {
  readonly #askExtend: (leaseMs: number) => Promise<void>;
  #controller: AbortController | undefined;
  #aborted: JobferryError | undefined;

  constructor(askExtend: (leaseMs: number) => Promise<void>) {
    this.#askExtend = askExtend;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#aborted !== undefined) this.#controller.abort(this.#aborted);
    }
    return this.#controller.signal;
  }

  abort(reason: JobferryError): void {
    this.#aborted ??= reason;
    this.#controller?.abort(this.#aborted);
  }

  async extend(fromNow: Duration): Promise<void> {
    await this.#askExtend(parseDuration(fromNow, "fromNow", { min: 1 }));
  }

  retry(options: Readonly<{ in: Duration }>): Outcome {
    return makeOutcome({ kind: "retry", delayMs: parseDuration(options.in, "retry.in") });
  }

  cancel(reason: string): Outcome {
    return makeOutcome({ kind: "cancel", reason: String(reason) });
  }

  snooze(delay: Duration): Outcome {
    return makeOutcome({ kind: "snooze", delayMs: parseDuration(delay, "snooze") });
  }
}

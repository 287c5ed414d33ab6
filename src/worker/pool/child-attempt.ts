import type { JobContext, Outcome } from "../../core/index.ts";
import type { JobferryError } from "../../errors/index.ts";
import { parseDuration, type Duration } from "../../runtime/index.ts";
import { cancel, retry, snooze } from "../outcome.ts";

/** A handler's context in a child. The lease itself is the parent's. Its functions do not need it as `this`, like those of an inline one. */
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

  get extend(): (fromNow: Duration) => Promise<void> {
    return async (fromNow) => this.#askExtend(parseDuration(fromNow, "fromNow", { min: 1 }));
  }

  get retry(): (options: Readonly<{ in: Duration }>) => Outcome {
    return retry;
  }

  get cancel(): (reason: string) => Outcome {
    return cancel;
  }

  get snooze(): (delay: Duration) => Outcome {
    return snooze;
  }
}

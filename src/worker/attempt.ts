import type { FinishItem, FinishResult, Timer } from "../contract/index.ts";
import type { Engine, Envelope, JobContext, Lease, Outcome } from "../core/index.ts";
import { JobSnapshot } from "../core/index.ts";
import type { JobferryError } from "../errors/index.ts";
import { parseDuration, type Duration } from "../runtime/index.ts";
import { makeOutcome } from "./outcome.ts";
import type { Letter } from "./outbox.ts";
import type { Verdict } from "./verdict.ts";

/** Whoever runs attempts. */
export type AttemptOwner = Readonly<{ settled: (attempt: Attempt, result: FinishResult) => void }>;

/**
 * One attempt at a job, from its lease to its end. It is also the handler's context and its own letter in the outbox: handlers see
 * `JobContext`, and objects not made for each job are what the memory queue's speed is made of.
 */
export class Attempt implements JobContext, Letter {
  readonly lease: Lease;
  readonly job: JobSnapshot;
  readonly envelope: Envelope;
  readonly #engine: Engine;
  readonly #owner: AttemptOwner;
  #controller: AbortController | undefined;
  /** Why the handler was told to stop. */
  aborted: JobferryError | undefined = undefined;
  /** The attempt's end was sent; what the handler still returns is ignored. */
  closed = false;
  /** Monotonic milliseconds of the handler's start; 0 before. */
  startedAt = 0;
  /** Place in the runner's list. */
  place = -1;
  /** The runner's own, for the timeout and then for the grace after an abort. */
  timer: Timer | undefined = undefined;
  /** Told when the handler must stop; set by executors that run it elsewhere. */
  onAbort: ((reason: JobferryError) => void) | undefined = undefined;

  /** How it ends; set before it goes to the outbox. */
  item: FinishItem;
  /** What the handler returned. */
  value: unknown = undefined;
  /** Set when it did not succeed. */
  verdict: Verdict | undefined = undefined;

  constructor(engine: Engine, owner: AttemptOwner, lease: Lease, envelope: Envelope) {
    this.#engine = engine;
    this.#owner = owner;
    this.item = { reservation: lease.reservation, outcome: "done" };
    this.lease = lease;
    this.envelope = envelope;
    this.job = new JobSnapshot(lease.reservation.job, envelope);
  }

  settled(result: FinishResult): void {
    this.#owner.settled(this, result);
  }

  /** Most handlers never look at it, so it is made at the first look. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.aborted !== undefined) this.#controller.abort(this.aborted);
    }
    return this.#controller.signal;
  }

  /** Only the first reason counts. */
  abort(reason: JobferryError): void {
    if (this.aborted !== undefined) return;
    this.aborted = reason;
    this.onAbort?.(reason);
    this.#controller?.abort(reason);
  }

  async extend(fromNow: Duration): Promise<void> {
    const leaseMs = parseDuration(fromNow, "fromNow", { min: 1 });
    this.lease.check();
    await this.#engine.extendLease(this.lease, leaseMs);
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

import type { FinishItem, FinishResult, Timer } from "../contract/index.ts";
import type { Engine, Envelope, JobContext, Lease, Outcome, Taken } from "../core/index.ts";
import { JobSnapshot } from "../core/index.ts";
import { JobferryError } from "../errors/index.ts";
import { parseDuration, type Duration } from "../runtime/index.ts";
import { cancel, retry, snooze } from "./outcome.ts";
import type { Letter } from "./outbox.ts";
import type { Verdict } from "./verdict.ts";

/** Whoever runs attempts. */
export interface AttemptOwner {
  /** To which the lease is renewed. */
  readonly leaseMs: number;
  settled(attempt: Attempt, result: FinishResult): void;
}

/** `held`: fetched ahead. `closed`: its end was sent or given up; what the handler still returns is ignored. */
export type AttemptPhase = "held" | "running" | "closed";

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
  phase: AttemptPhase = "held";
  /** Whether its handler was started. */
  ran = false;
  /** Why the handler was told to stop. */
  aborted: JobferryError | undefined = undefined;
  /** The lease is gone, by the store's word or by this process's clock. */
  lost = false;
  /** Monotonic milliseconds of the handler's start where its time is measured; else undefined. */
  startedAt: number | undefined = undefined;
  /** Place among the attempts in hand; -1 when it is not there. */
  place = -1;
  /** Resolves when the renewal that is under way for it has settled. */
  renewing: Promise<unknown> | undefined = undefined;
  /** How many extensions of the handler are under way. */
  extending = 0;
  /** For the timeout, and then for the grace after an abort. */
  timer: Timer | undefined = undefined;
  /** Told when the handler must stop; set by executors that run it elsewhere. */
  onAbort: ((reason: JobferryError) => void) | undefined = undefined;

  /** What the handler returned. */
  value: unknown = undefined;
  /** `value` encoded, where results are kept. */
  result: Uint8Array | undefined = undefined;
  /** Set when it did not succeed. */
  verdict: Verdict | undefined = undefined;

  constructor(engine: Engine, owner: AttemptOwner, { lease, envelope, payload }: Taken) {
    this.#engine = engine;
    this.#owner = owner;
    this.lease = lease;
    this.envelope = envelope;
    this.job = new JobSnapshot(lease.reservation.job, envelope, payload);
  }

  /** How it ends. Made when it is sent. */
  get item(): FinishItem {
    if (this.verdict !== undefined) return this.verdict.item;
    const { reservation } = this.lease;
    return this.result === undefined
      ? { reservation, outcome: "done" }
      : { reservation, outcome: "done", result: this.result };
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

  // Getters of functions, so that handlers may take the context apart: `(job, { retry }) => …`. Few look, so nothing is bound beforehand.

  get extend(): (fromNow: Duration) => Promise<void> {
    return (fromNow) => this.#extend(fromNow);
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

  /**
   * Never to less than what the worker renews it to: renewals come too seldom for a shorter lease. It and a renewal are never under way at once:
   * a store may take them in another order than their answers come in, and its lease would end before the one here.
   */
  async #extend(fromNow: Duration): Promise<void> {
    const leaseMs = Math.max(parseDuration(fromNow, "fromNow", { min: 1 }), this.#owner.leaseMs);
    this.extending += 1;
    try {
      await this.renewing;
      if (this.phase === "closed" || this.lost) throw this.lease.lostError();
      this.lease.check();
      await this.#engine.extendLease(this.lease, leaseMs);
    } finally {
      this.extending -= 1;
    }
  }
}

export function shutdownError(): JobferryError {
  return new JobferryError(
    "SHUTDOWN",
    "The worker is stopping. End soon; the job is handed back and runs again elsewhere.",
  );
}

import type { FinishItem, JobFailure } from "../contract/index.ts";
import { failureFrom, invalidArgument, LeaseLostError } from "../errors/index.ts";
import { parseDuration, type Duration } from "../runtime/index.ts";
import type { Engine } from "./engine.ts";
import type { Envelope } from "./envelope.ts";
import { type Job, JobSnapshot } from "./job.ts";
import type { Lease } from "./lease.ts";

/** Yours until `leaseUntil`; then every method throws LEASE_LOST and `signal` fires. Disposal releases it when nothing else finished it. */
export interface ReservedJob<P = unknown, N extends string = string> extends Job<P, N>, AsyncDisposable {
  /** Epoch milliseconds by this process's clock, a margin before the store's end. */
  readonly leaseUntil: number;
  /** Aborts with LEASE_LOST when the lease is over. */
  readonly signal: AbortSignal;
  /** Done. The result is kept with the job where the queue keeps completed jobs. */
  complete(result?: unknown): Promise<void>;
  /** The specification's name for `complete()`. */
  delete(): Promise<void>;
  /** Back to the queue, after `delay`. The attempt counts. */
  release(delay?: Duration): Promise<void>;
  /** To failed, whatever attempts are left. */
  fail(error: unknown): Promise<void>;
  /** Moves the end of the lease. */
  extend(fromNow: Duration): Promise<void>;
}

export class ReservedSnapshot extends JobSnapshot implements ReservedJob {
  readonly #engine: Engine;
  readonly #lease: Lease;

  constructor(engine: Engine, lease: Lease, envelope: Envelope, payload?: Readonly<{ value: unknown }>) {
    super(lease.reservation.job, envelope, payload);
    this.#engine = engine;
    this.#lease = lease;
  }

  get leaseUntil(): number {
    const { clock } = this.#engine;
    return Math.round(clock.now() + this.#lease.endsAt - clock.monotonic());
  }

  get signal(): AbortSignal {
    return this.#lease.signal;
  }

  async complete(result?: unknown): Promise<void> {
    await this.#finish({
      reservation: this.#lease.reservation,
      outcome: "done",
      result: this.#engine.encodeResult(result),
    });
  }

  delete(): Promise<void> {
    return this.complete();
  }

  async release(delay: Duration = 0): Promise<void> {
    const delayMs = parseDuration(delay, "delay");
    this.#engine.checkDelay(delayMs);
    await this.#finish({ reservation: this.#lease.reservation, outcome: "release", delayMs });
  }

  async fail(error: unknown): Promise<void> {
    const failure: JobFailure = failureFrom(error);
    await this.#finish({ reservation: this.#lease.reservation, outcome: "fail", failure, threw: true });
  }

  async extend(fromNow: Duration): Promise<void> {
    const leaseMs = parseDuration(fromNow, "fromNow", { min: 1 });
    this.#engine.checkLease(leaseMs);
    this.#lease.check();
    await this.#engine.extendLease(this.#lease, leaseMs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#lease.over) return;
    try {
      await this.release();
    } catch (error) {
      // Not ours any more: there is nothing to release, and the error would hide what the block threw.
      if (!(error instanceof LeaseLostError)) throw error;
    }
  }

  async #finish(item: FinishItem): Promise<void> {
    this.#lease.check();
    this.#lease.finished = true;
    try {
      await this.#engine.finishOne(item, this.#lease);
    } catch (error) {
      // What was never sent may be tried again; after LEASE_LOST it cannot come true any more.
      if (!(error instanceof LeaseLostError)) this.#lease.finished = false;
      throw error;
    }
  }

  /** The same lease with a payload that a schema has put out. */
  static withOutput(job: ReservedJob, payload: unknown): ReservedSnapshot {
    if (!(job instanceof ReservedSnapshot)) throw invalidArgument("job", job, "a job that pop() gave");
    const reserved: ReservedSnapshot = job;
    const copy = new ReservedSnapshot(reserved.#engine, reserved.#lease, JobSnapshot.envelopeOf(reserved));
    copy.setPayload(payload);
    return copy;
  }

  static leaseOf(job: ReservedSnapshot): Lease {
    return job.#lease;
  }
}

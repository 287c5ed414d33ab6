import type { Clock, Reservation, Timer } from "../contract/index.ts";
import { LeaseLostError } from "../errors/index.ts";

/** One lease of this process, counted by the monotonic clock from before the request was sent. Copies of the job share it. */
export class Lease {
  readonly #clock: Clock;
  readonly reservation: Reservation;
  /** Monotonic milliseconds at which the holder gives up: the margin covers what the answer's way back took from the store's count. */
  endsAt: number;
  #finished = false;
  #lost = false;
  #stop: AbortController | undefined;
  #timer: Timer | undefined;

  constructor(clock: Clock, reservation: Reservation, sentAt: number, leaseMs: number) {
    this.#clock = clock;
    this.reservation = reservation;
    this.endsAt = sentAt + leaseMs - marginOf(leaseMs);
  }

  renewed(sentAt: number, leaseMs: number): void {
    const before = this.endsAt;
    this.endsAt = sentAt + leaseMs - marginOf(leaseMs);
    if (this.endsAt < before) this.#watch(); // a later end is seen when the timer fires
  }

  get finished(): boolean {
    return this.#finished;
  }

  set finished(value: boolean) {
    this.#finished = value;
    if (value) this.#timer?.cancel();
    else this.#watch();
  }

  get signal(): AbortSignal {
    if (this.#stop === undefined) {
      this.#stop = new AbortController();
      this.#watch();
    }
    return this.#stop.signal;
  }

  /** Only who asked for the signal has a timer. */
  #watch(): void {
    this.#timer?.cancel();
    if (this.#stop === undefined || this.#finished) return;
    const left = this.endsAt - this.#clock.monotonic();
    if (this.#lost || left <= 0) this.#stop.abort(this.lostError());
    else this.#timer = this.#clock.timer(left, () => this.#watch(), { keepAlive: false });
  }

  /** The store said so: over for good, and whoever holds the signal hears it. */
  lose(): LeaseLostError {
    this.#lost = true;
    this.#timer?.cancel();
    const error = this.lostError();
    this.#stop?.abort(error);
    return error;
  }

  lostError(): LeaseLostError {
    const { id } = this.reservation.job;
    return new LeaseLostError(
      `The lease on job ${id} is over, so nothing was changed; another worker may run the job. Extend the lease in time, or ask for a longer one.`,
    );
  }

  /** @throws LEASE_LOST when it is finished or over. */
  check(): void {
    if (this.#finished) {
      const { id } = this.reservation.job;
      throw new LeaseLostError(`Job ${id} was finished already, so nothing was changed. Finish a job once.`);
    }
    if (this.over) throw this.lostError();
  }

  get over(): boolean {
    return this.#finished || this.#lost || this.#clock.monotonic() >= this.endsAt;
  }
}

function marginOf(leaseMs: number): number {
  return Math.min(1_000, leaseMs / 20);
}

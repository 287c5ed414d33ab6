import type { Clock, Reservation } from "../contract/index.ts";
import { LeaseLostError } from "../errors/index.ts";

/** One lease of this process, counted by the monotonic clock from before the request was sent. Copies of the job share it. */
export class Lease {
  readonly #clock: Clock;
  readonly reservation: Reservation;
  /** Monotonic milliseconds at which the holder gives up: the margin covers what the answer's way back took from the store's count. */
  endsAt: number;
  finished = false;
  #stop: AbortController | undefined;

  constructor(clock: Clock, reservation: Reservation, sentAt: number, leaseMs: number) {
    this.#clock = clock;
    this.reservation = reservation;
    this.endsAt = sentAt + leaseMs - marginOf(leaseMs);
  }

  renewed(sentAt: number, leaseMs: number): void {
    this.endsAt = sentAt + leaseMs - marginOf(leaseMs);
  }

  get signal(): AbortSignal {
    if (this.#stop === undefined) {
      this.#stop = new AbortController();
      this.#watch();
    }
    return this.#stop.signal;
  }

  #watch(): void {
    const left = this.endsAt - this.#clock.monotonic();
    if (this.finished) return;
    if (left <= 0) return this.#stop?.abort(this.lostError());
    this.#clock.timer(left, () => this.#watch(), { keepAlive: false });
  }

  lostError(): LeaseLostError {
    const { id } = this.reservation.job;
    return new LeaseLostError(
      `The lease on job ${id} is over, so nothing was changed; another worker may run the job. Extend the lease in time, or ask for a longer one.`,
    );
  }

  /** @throws LEASE_LOST when it is finished or over. */
  check(): void {
    if (this.over) throw this.lostError();
  }

  get over(): boolean {
    return this.finished || this.#clock.monotonic() >= this.endsAt;
  }
}

function marginOf(leaseMs: number): number {
  return Math.min(1_000, leaseMs / 20);
}

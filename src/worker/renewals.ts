import type { Timer } from "../contract/index.ts";
import type { Engine } from "../core/index.ts";
import { JobferryError } from "../errors/index.ts";
import type { Attempt } from "./attempt.ts";
import type { AttemptsInHand } from "./attempts-in-hand.ts";

const MAX_BATCH = 1_000;

export type RenewalListener = Readonly<{
  lost: (attempt: Attempt) => void;
  error: (error: unknown) => void;
}>;

/**
 * Renews all leases with one timer: every sixth of a lease it extends those that have used up a third. When the store does not answer, the
 * holder gives up by its own monotonic clock, a margin before the store would.
 */
export class Renewals {
  readonly #engine: Engine;
  readonly #attempts: AttemptsInHand;
  readonly #leaseMs: number;
  readonly #listener: RenewalListener;
  #timer: Timer | undefined;
  #stopped = false;
  #flying = false;

  constructor(engine: Engine, attempts: AttemptsInHand, leaseMs: number, listener: RenewalListener) {
    this.#engine = engine;
    this.#attempts = attempts;
    this.#leaseMs = leaseMs;
    this.#listener = listener;
  }

  start(): void {
    this.#arm();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  #arm(): void {
    if (this.#stopped) return;
    this.#timer = this.#engine.clock.timer(Math.max(1, this.#leaseMs / 6), () => this.#tick(), { keepAlive: false });
  }

  #tick(): void {
    const now = this.#engine.clock.monotonic();
    const renewBefore = now + (this.#leaseMs * 2) / 3;
    const old: Attempt[] = [];
    for (const attempt of this.#attempts.all()) {
      if (!attempt.closed && attempt.lease.endsAt < renewBefore) old.push(attempt);
    }
    for (const attempt of old) if (attempt.lease.endsAt <= now) this.#giveUp(attempt);
    const held = old.filter((attempt) => attempt.lease.endsAt > now);
    // A slow store must not pile up renewals: the next tick takes what this one left.
    if (!this.#flying && held.length > 0) {
      this.#flying = true;
      this.#renew(held).then(
        () => (this.#flying = false),
        (error: unknown) => {
          this.#flying = false;
          this.#listener.error(error);
        },
      );
    }
    this.#arm();
  }

  async #renew(attempts: readonly Attempt[]): Promise<void> {
    for (let i = 0; i < attempts.length; i += MAX_BATCH) {
      const batch = attempts.slice(i, i + MAX_BATCH).filter((attempt) => !attempt.closed);
      const sentAt = this.#engine.clock.monotonic();
      const items = batch.map((attempt) => ({ reservation: attempt.lease.reservation, leaseMs: this.#leaseMs }));
      const results = await this.#engine.call("extend", () => this.#engine.driver.extend(items));
      for (const [k, attempt] of batch.entries()) {
        if (results[k] === "ok") attempt.lease.renewed(sentAt, this.#leaseMs);
        else if (!attempt.closed) this.#giveUp(attempt);
      }
    }
  }

  #giveUp(attempt: Attempt): void {
    if (attempt.aborted?.code === "LEASE_LOST") return;
    attempt.abort(attempt.lease.lostError());
    this.#listener.lost(attempt);
  }
}

export function shutdownError(): JobferryError {
  return new JobferryError(
    "SHUTDOWN",
    "The worker is stopping. End soon; the job is handed back and runs again elsewhere.",
  );
}

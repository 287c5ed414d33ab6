import type { Timer } from "../contract/index.ts";
import type { Engine } from "../core/index.ts";
import type { Attempt } from "./attempt.ts";
import type { AttemptsInHand } from "./attempts-in-hand.ts";

const MAX_BATCH = 1_000;

export type RenewalListener = Readonly<{
  /** Told once an attempt. */
  lost: (attempt: Attempt) => void;
  error: (error: unknown) => void;
}>;

/**
 * Renews all leases with one timer: every sixth of a lease it extends those that have used up a third. When the store does not answer, the
 * holder gives up by its own monotonic clock, a margin before the store would. A lease that ends with the connection has no such time: only
 * the store's word ends it.
 */
export class Renewals {
  readonly #engine: Engine;
  readonly #attempts: AttemptsInHand;
  readonly #leaseMs: number;
  readonly #listener: RenewalListener;
  #timer: Timer | undefined;
  #stopped = false;
  /** When the renewal under way was sent, monotonic. */
  #flyingSince = -Infinity;

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
    const { clock, capabilities } = this.#engine;
    const { ends, extend } = capabilities.lease;
    const now = clock.monotonic();
    const old = this.#attempts.all().filter(({ lease, lost }) => !lost && lease.endsAt < now + (this.#leaseMs * 2) / 3);
    if (ends === "connection") for (const { lease } of old) lease.renewed(now, this.#leaseMs);
    for (const attempt of old) if (attempt.lease.over) this.#giveUp(attempt);
    if (extend !== "unsupported") this.#send(old, now);
    this.#arm();
  }

  /** A slow store must not pile up renewals; one that never answers must not keep the others from being sent. */
  #send(old: readonly Attempt[], now: number): void {
    const held = old.filter((attempt) => !attempt.lost);
    if (held.length === 0 || now - this.#flyingSince < this.#leaseMs / 2) return;
    this.#flyingSince = now;
    this.#renew(held).then(
      () => this.#landed(now),
      (error: unknown) => {
        this.#landed(now);
        this.#listener.error(error);
      },
    );
  }

  #landed(sentAt: number): void {
    if (this.#flyingSince === sentAt) this.#flyingSince = -Infinity;
  }

  async #renew(attempts: readonly Attempt[]): Promise<void> {
    for (let i = 0; i < attempts.length; i += MAX_BATCH) {
      const batch = attempts
        .slice(i, i + MAX_BATCH)
        .filter(({ phase, lost, extending }) => phase !== "closed" && !lost && extending === 0);
      if (batch.length === 0) continue;
      const sentAt = this.#engine.clock.monotonic();
      const items = batch.map((attempt) => ({ reservation: attempt.lease.reservation, leaseMs: this.#leaseMs }));
      const extending = this.#engine.call("extend", () => this.#engine.driver.extend(items));
      this.#mark(batch, extending);
      const results = await extending;
      for (const [k, attempt] of batch.entries()) {
        if (results[k] === "ok") attempt.lease.renewed(sentAt, this.#leaseMs);
        else this.#giveUp(attempt);
      }
    }
  }

  /** So that a handler's own extension waits for it. */
  #mark(batch: readonly Attempt[], extending: Promise<unknown>): void {
    const settled = extending.then(
      () => undefined,
      () => undefined,
    );
    for (const attempt of batch) attempt.renewing = settled;
    void settled.then(() => {
      for (const attempt of batch) if (attempt.renewing === settled) attempt.renewing = undefined;
    });
  }

  #giveUp(attempt: Attempt): void {
    if (attempt.lost || attempt.phase === "closed") return;
    attempt.lost = true;
    attempt.abort(attempt.lease.lose());
    this.#listener.lost(attempt);
  }
}

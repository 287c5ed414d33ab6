import type { Clock, ReserveRequest, ReserveResult, StoredJob, Timer } from "../../contract/index.ts";
import { Deferred, systemClock } from "../../runtime/index.ts";
import { ABORT_GRACE_MS, POLL_MS } from "./limits.ts";

export type Claim = (request: ReserveRequest, isOver: () => boolean) => Promise<ReserveResult>;

class Waiter {
  readonly request: ReserveRequest;
  readonly answered: Deferred<ReserveResult> = new Deferred();
  died: readonly StoredJob[];
  nextDueInMs: number | undefined;
  /** A claim is on its way; what happens meanwhile is looked at after it. */
  claiming = false;
  again = false;
  over = false;
  settled = false;
  /** Resolved with the next claim, or the end of the wait. */
  looked: Deferred<boolean> | undefined;
  deadline: Timer | undefined;
  onAbort: (() => void) | undefined;

  constructor(request: ReserveRequest, first: ReserveResult) {
    this.request = request;
    this.died = first.died;
    this.nextDueInMs = first.nextDueInMs;
  }
}

/** Reserves that wait for a job: woken by markers, by the next due time, and every second anyway. A wake-up is a hint that leads to a claim. */
export class WaitingReserves {
  readonly #clock: Clock;
  readonly #claim: Claim;
  readonly #giveBack: (result: ReserveResult) => void;
  readonly #listen: (queues: readonly string[]) => void;
  readonly #waiters = new Set<Waiter>();
  #tick: Timer | undefined;
  #tickAt = Infinity;
  #closed = false;

  constructor(
    clock: Clock,
    does: Readonly<{
      claim: Claim;
      giveBack: (result: ReserveResult) => void;
      listen: (queues: readonly string[]) => void;
    }>,
  ) {
    this.#clock = clock;
    this.#claim = does.claim;
    this.#giveBack = does.giveBack;
    this.#listen = does.listen;
  }

  /** Resolves with the first jobs, or with none when the time is up, the signal fires or the driver closes. */
  wait(request: ReserveRequest, first: ReserveResult, waitMs: number): Promise<ReserveResult> {
    const waiter = new Waiter(request, first);
    if (this.#closed || request.signal?.aborted || waitMs <= 0) return Promise.resolve(emptyResult(waiter));
    this.#waiters.add(waiter);
    waiter.deadline = this.#clock.timer(waitMs, () => this.#end(waiter));
    if (request.signal !== undefined) {
      waiter.onAbort = () => this.#end(waiter);
      request.signal.addEventListener("abort", waiter.onAbort, { once: true });
    }
    this.#listen(request.queues);
    this.#tickWithin(Math.min(waiter.nextDueInMs ?? POLL_MS, POLL_MS));
    return waiter.answered.promise;
  }

  /** The queues for which somebody waits. */
  queues(): readonly string[] {
    return [...new Set([...this.#waiters].flatMap(({ request }) => request.queues))];
  }

  /** One of those who wait on this queue looks, and tells whether it found something; undefined when nobody waits. */
  wake(queue: string): Promise<boolean> | undefined {
    for (const waiter of this.#waiters) {
      if (!waiter.request.queues.includes(queue)) continue;
      // Behind the others next time, so that each gets its turn.
      this.#waiters.delete(waiter);
      this.#waiters.add(waiter);
      this.#wake(waiter);
      waiter.looked ??= new Deferred();
      return waiter.looked.promise;
    }
    return undefined;
  }

  close(): void {
    this.#closed = true;
    for (const waiter of [...this.#waiters]) this.#end(waiter);
    this.#tick?.cancel();
  }

  #wake(waiter: Waiter): void {
    if (waiter.over) return;
    if (waiter.claiming) {
      waiter.again = true;
      return;
    }
    waiter.claiming = true;
    waiter.again = false;
    this.#claim(waiter.request, () => waiter.over).then(
      (result) => this.#claimed(waiter, result),
      (error: unknown) => this.#failed(waiter, error),
    );
  }

  #claimed(waiter: Waiter, result: ReserveResult): void {
    waiter.claiming = false;
    this.#looked(waiter, result.reservations.length > 0);
    if (waiter.settled) return this.#giveBack(result);
    waiter.died = waiter.died.length === 0 ? result.died : [...waiter.died, ...result.died];
    waiter.nextDueInMs = result.nextDueInMs;
    if (result.reservations.length > 0) {
      this.#leave(waiter);
      this.#settle(waiter, { ...result, died: waiter.died });
    } else if (waiter.over) {
      this.#settle(waiter, emptyResult(waiter));
    } else if (waiter.again) {
      this.#wake(waiter);
    } else {
      this.#tickWithin(Math.min(waiter.nextDueInMs ?? POLL_MS, POLL_MS));
    }
  }

  /** It holds no jobs, so it may reject; but what died is told. */
  #failed(waiter: Waiter, error: unknown): void {
    waiter.claiming = false;
    this.#looked(waiter, false);
    if (waiter.settled) return;
    const isEnded = waiter.over || waiter.died.length > 0;
    this.#leave(waiter);
    if (isEnded) return this.#settle(waiter, emptyResult(waiter));
    waiter.settled = true;
    waiter.answered.reject(error);
  }

  #looked(waiter: Waiter, found: boolean): void {
    waiter.looked?.resolve(found);
    waiter.looked = undefined;
  }

  /** Time is up, aborted or closed. A claim on its way decides by itself what it still takes. */
  #end(waiter: Waiter): void {
    if (waiter.over) return;
    this.#leave(waiter);
    if (!waiter.claiming) return this.#settle(waiter, emptyResult(waiter));
    const late = (): void => this.#settle(waiter, emptyResult(waiter));
    if (this.#closed) return;
    waiter.deadline = systemClock.timer(ABORT_GRACE_MS, late);
  }

  #settle(waiter: Waiter, result: ReserveResult): void {
    waiter.settled = true;
    waiter.deadline?.cancel();
    waiter.answered.resolve(result);
  }

  #leave(waiter: Waiter): void {
    waiter.over = true;
    waiter.deadline?.cancel();
    if (waiter.onAbort !== undefined) waiter.request.signal?.removeEventListener("abort", waiter.onAbort);
    this.#waiters.delete(waiter);
    if (this.#waiters.size > 0) return;
    this.#tick?.cancel();
    this.#tick = undefined;
    this.#tickAt = Infinity;
  }

  /** One timer for all waiters, at the earliest of what they wait for. */
  #tickWithin(ms: number): void {
    const at = this.#clock.monotonic() + Math.max(1, ms);
    if (at >= this.#tickAt) return;
    this.#tick?.cancel();
    this.#tickAt = at;
    this.#tick = this.#clock.timer(Math.max(1, ms), () => {
      this.#tickAt = Infinity;
      for (const waiter of [...this.#waiters]) this.#wake(waiter);
    });
  }
}

function emptyResult(waiter: Waiter): ReserveResult {
  return { reservations: [], died: waiter.died, nextDueInMs: waiter.nextDueInMs };
}

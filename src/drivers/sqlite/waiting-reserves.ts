import type { Clock, ReserveRequest, ReserveResult, StoredJob, Timer } from "../../contract/index.ts";
import { Deferred } from "../../runtime/index.ts";
import { POLL_MS } from "./limits.ts";

/** How long the watch on the file stays after the last consumer stopped waiting: one that works never waits long enough to need it. */
const LINGER_MS = 1_000;

export type Wakeup = Readonly<{ start(): void; stop(): void }>;

type Claim = (request: ReserveRequest, isOver: () => boolean) => Promise<ReserveResult>;

class Waiter {
  readonly request: ReserveRequest;
  readonly answered: Deferred<ReserveResult> = new Deferred();
  died: readonly StoredJob[];
  nextDueInMs: number | undefined;
  /** A claim is on its way; what happens meanwhile is looked at after it. */
  claiming = false;
  again = false;
  over = false;
  deadline: Timer | undefined;
  onAbort: (() => void) | undefined;

  constructor(request: ReserveRequest, first: ReserveResult) {
    this.request = request;
    this.died = first.died;
    this.nextDueInMs = first.nextDueInMs;
  }
}

/**
 * Reserves that wait for a job. They are woken by pushes of this process at once, by other processes through `wakeup`, by the next due time,
 * and every second anyway. A wake-up is a hint: it leads to a claim, which on an empty queue only reads.
 */
export class WaitingReserves {
  readonly #clock: Clock;
  readonly #claim: Claim;
  readonly #waiters = new Set<Waiter>();
  readonly #wakeup: Wakeup | undefined;
  #tick: Timer | undefined;
  #tickAt = Infinity;
  #linger: Timer | undefined;
  #closed = false;

  constructor(clock: Clock, claim: Claim, wakeup: Wakeup | undefined) {
    this.#clock = clock;
    this.#claim = claim;
    this.#wakeup = wakeup;
  }

  /** Resolves with the first jobs, or with none when the time is up, the signal fires or the driver closes. */
  wait(request: ReserveRequest, first: ReserveResult, waitMs: number): Promise<ReserveResult> {
    const waiter = new Waiter(request, first);
    if (this.#closed || request.signal?.aborted) return Promise.resolve(emptyResult(waiter));
    this.#waiters.add(waiter);
    waiter.deadline = this.#clock.timer(waitMs, () => this.#end(waiter));
    if (request.signal !== undefined) {
      waiter.onAbort = () => this.#end(waiter);
      request.signal.addEventListener("abort", waiter.onAbort, { once: true });
    }
    this.#linger?.cancel();
    this.#linger = undefined;
    this.#wakeup?.start();
    // Between the first look and the watch something may have come.
    this.#wake(waiter);
    return waiter.answered.promise;
  }

  /** `jobs` became pending on this queue: as many consumers get a look. */
  wake(queue: string, jobs: number): void {
    let left = jobs;
    for (const waiter of this.#waiters) {
      if (left <= 0) return;
      if (!waiter.request.queues.includes(queue)) continue;
      left -= 1;
      this.#wake(waiter);
    }
  }

  wakeAll(): void {
    for (const waiter of this.#waiters) this.#wake(waiter);
  }

  close(): void {
    this.#closed = true;
    for (const waiter of this.#waiters) this.#end(waiter);
    this.#tick?.cancel();
    this.#linger?.cancel();
    this.#wakeup?.stop();
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
    waiter.died = waiter.died.length === 0 ? result.died : [...waiter.died, ...result.died];
    waiter.nextDueInMs = result.nextDueInMs;
    if (result.reservations.length > 0) {
      this.#leave(waiter);
      waiter.answered.resolve({ ...result, died: waiter.died });
    } else if (waiter.over) {
      waiter.answered.resolve(emptyResult(waiter));
    } else if (waiter.again) {
      this.#wake(waiter);
    } else {
      this.#tickWithin(Math.min(waiter.nextDueInMs ?? POLL_MS, POLL_MS));
    }
  }

  /** It holds no jobs, so it may reject; but what died is told. */
  #failed(waiter: Waiter, error: unknown): void {
    const nobodyWaits = waiter.over;
    this.#leave(waiter);
    if (waiter.died.length > 0 || nobodyWaits) waiter.answered.resolve(emptyResult(waiter));
    else waiter.answered.reject(error);
  }

  /** Time is up, aborted or closed. A claim on its way decides by itself what it still takes. */
  #end(waiter: Waiter): void {
    if (waiter.over) return;
    this.#leave(waiter);
    if (!waiter.claiming) waiter.answered.resolve(emptyResult(waiter));
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
    if (this.#wakeup === undefined || this.#closed || this.#linger !== undefined) return;
    this.#linger = this.#clock.timer(LINGER_MS, () => this.#stopWatching(), { keepAlive: false });
  }

  #stopWatching(): void {
    this.#linger = undefined;
    if (this.#waiters.size === 0) this.#wakeup?.stop();
  }

  /** One timer for all waiters, at the earliest of what they wait for. */
  #tickWithin(ms: number): void {
    const at = this.#clock.monotonic() + Math.max(1, ms);
    if (at >= this.#tickAt) return;
    this.#tick?.cancel();
    this.#tickAt = at;
    this.#tick = this.#clock.timer(Math.max(1, ms), () => {
      this.#tickAt = Infinity;
      this.wakeAll();
    });
  }
}

function emptyResult(waiter: Waiter): ReserveResult {
  return { reservations: [], died: waiter.died, nextDueInMs: waiter.nextDueInMs };
}

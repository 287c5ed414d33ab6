import type { Clock, ReserveRequest, ReserveResult, StoredJob, Timer } from "../../contract/index.ts";
import { Deferred } from "../../runtime/index.ts";

/** How long LISTEN stays after the last consumer stopped waiting. */
const LINGER_MS = 5_000;
/** How long an aborted reserve waits for the answer of a claim on its way; what comes later is handed back. */
const LAST_ANSWER_MS = 500;
/** A due time is rounded up on the server, and its clock may differ in speed from ours. */
const DUE_MARGIN_MS = 1;

export type Wakeup = Readonly<{ start(): void; stop(): void }>;

class Waiter {
  readonly request: ReserveRequest;
  readonly answered: Deferred<ReserveResult> = new Deferred();
  died: readonly StoredJob[];
  nextDueInMs: number | undefined;
  /** A claim is on its way; what happens meanwhile is looked at after it. */
  claiming = false;
  again = false;
  over = false;
  /** It has its answer, so that what a claim still brings is nobody's. */
  gone = false;
  deadline: Timer | undefined;
  onAbort: (() => void) | undefined;

  constructor(request: ReserveRequest, first: ReserveResult) {
    this.request = request;
    this.died = first.died;
    this.nextDueInMs = first.nextDueInMs;
  }
}

type Calls = Readonly<{
  claim: (request: ReserveRequest) => Promise<ReserveResult>;
  /** Takes jobs that nobody waits for any more. Never rejects. */
  handBack: (result: ReserveResult) => Promise<void>;
}>;

/**
 * Reserves that wait for a job. They are woken by pushes of this process at once, by other processes through `wakeup`, by the next due time,
 * and now and then anyway. A wake-up is a hint: it leads to a claim, and a claim that brought all it asked for wakes the next consumer.
 */
export class WaitingReserves {
  readonly #clock: Clock;
  readonly #calls: Calls;
  readonly #waiters = new Set<Waiter>();
  readonly #handedBack = new Set<Promise<void>>();
  readonly #wakeup: Wakeup | undefined;
  pollMs: number;
  #tick: Timer | undefined;
  #tickAt = Infinity;
  #linger: Timer | undefined;
  #closed = false;

  constructor(clock: Clock, pollMs: number, calls: Calls, wakeup: Wakeup | undefined) {
    this.#clock = clock;
    this.#calls = calls;
    this.#wakeup = wakeup;
    this.pollMs = pollMs;
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
    // Between the first look and now something may have come.
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

  /** Something may have come anywhere: one consumer of each kind looks, and wakes the next when it finds more than it takes. */
  look(): void {
    const looked = new Set<string>();
    for (const waiter of this.#waiters) {
      const queues = waiter.request.queues.join("\0");
      if (looked.has(queues)) continue;
      looked.add(queues);
      this.#wake(waiter);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const waiter of this.#waiters) this.#end(waiter);
    this.#tick?.cancel();
    this.#linger?.cancel();
    this.#wakeup?.stop();
    await Promise.all(this.#handedBack);
  }

  #wake(waiter: Waiter): void {
    if (waiter.over) return;
    if (waiter.claiming) {
      waiter.again = true;
      return;
    }
    waiter.claiming = true;
    waiter.again = false;
    this.#calls.claim(waiter.request).then(
      (result) => this.#claimed(waiter, result),
      (error: unknown) => this.#failed(waiter, error),
    );
  }

  #claimed(waiter: Waiter, result: ReserveResult): void {
    waiter.claiming = false;
    if (waiter.gone) return this.#returned(result);
    waiter.died = waiter.died.length === 0 ? result.died : [...waiter.died, ...result.died];
    waiter.nextDueInMs = result.nextDueInMs;
    if (result.reservations.length > 0) {
      this.#leave(waiter);
      waiter.answered.resolve({ ...result, died: waiter.died });
      if (result.reservations.length >= waiter.request.max) this.#wakeNext(result);
    } else if (waiter.over) {
      waiter.answered.resolve(emptyResult(waiter));
    } else if (waiter.again) {
      this.#wake(waiter);
    } else {
      this.#tickWithin(Math.min((waiter.nextDueInMs ?? Infinity) + DUE_MARGIN_MS, this.pollMs));
    }
  }

  #returned(result: ReserveResult): void {
    if (result.reservations.length === 0 && result.died.length === 0) return;
    const handed = this.#calls.handBack(result);
    this.#handedBack.add(handed);
    void handed.then(() => this.#handedBack.delete(handed));
  }

  /** There may be more where these came from. */
  #wakeNext({ reservations }: ReserveResult): void {
    for (const queue of new Set(reservations.map(({ job }) => job.queue))) this.wake(queue, 1);
  }

  /** It holds no jobs, so it may reject; but what died is told. */
  #failed(waiter: Waiter, error: unknown): void {
    waiter.claiming = false;
    const wasOver = waiter.over;
    this.#leave(waiter);
    if (waiter.died.length > 0 || wasOver) waiter.answered.resolve(emptyResult(waiter));
    else waiter.answered.reject(error);
  }

  /** Time is up, aborted or closed. The answer of a claim on its way is still waited for, but not long. */
  #end(waiter: Waiter): void {
    if (waiter.over) return;
    this.#leave(waiter);
    if (!waiter.claiming) return waiter.answered.resolve(emptyResult(waiter));
    const late = this.#clock.timer(LAST_ANSWER_MS, () => {
      waiter.gone = true;
      waiter.answered.resolve(emptyResult(waiter));
    });
    waiter.answered.promise.then(
      () => late.cancel(),
      () => late.cancel(),
    );
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
      this.look();
    });
  }
}

function emptyResult(waiter: Waiter): ReserveResult {
  return { reservations: [], died: waiter.died, nextDueInMs: waiter.nextDueInMs };
}

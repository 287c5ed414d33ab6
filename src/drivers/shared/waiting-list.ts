import type { Clock, ReserveRequest, ReserveResult, StoredJob, Timer } from "../../contract/index.ts";
import { Deferred } from "../../runtime/index.ts";

/** Tells of jobs that other processes push, while somebody waits. */
export type Wakeup = Readonly<{ start(): void; stop(): void }>;

/** A reserve that found nothing and waits. */
export class Waiter {
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

/** In what the drivers differ. */
export type WaitingRules = Readonly<{
  claim: (request: ReserveRequest, isOver: () => boolean) => Promise<ReserveResult>;
  /** After how long there is another look when a claim found nothing. */
  lookAgainInMs: (nextDueInMs: number | undefined) => number;
  /** That time has passed: some or all of those who wait look. */
  look: () => void;
  /** A claim of this waiter has settled. */
  looked?: (waiter: Waiter, found: boolean) => void;
  /** The waiter got these jobs. */
  given?: (waiter: Waiter, result: ReserveResult) => void;
  /** How long a reserve that is over waits for the answer of a claim on its way. Without it: until that comes. */
  lastAnswer?: Readonly<{ clock: Clock; ms: number }>;
  /** Takes what such a claim brought later. */
  handBack?: (result: ReserveResult) => void;
  /** Started when somebody waits, stopped when nobody has waited for `lingerMs`. */
  wakeup?: Readonly<{ watch: Wakeup; lingerMs: number }> | undefined;
}>;

/**
 * Reserves that wait for a job in a store that is asked by claims. A wake-up is a hint that leads to a claim, one at a time for each waiter. Who
 * is woken when is the driver's business; here is how a wait begins, claims and ends, and the one timer for the next look of all.
 */
export class WaitingList {
  readonly #clock: Clock;
  readonly #rules: WaitingRules;
  readonly #waiters = new Set<Waiter>();
  #tick: Timer | undefined;
  #tickAt = Infinity;
  #linger: Timer | undefined;
  #closed = false;

  constructor(clock: Clock, rules: WaitingRules) {
    this.#clock = clock;
    this.#rules = rules;
  }

  /** Resolves with the first jobs, or with none when the time is up, the signal fires or the list closes. `begin` lets it look for the first time. */
  wait(
    request: ReserveRequest,
    first: ReserveResult,
    waitMs: number,
    begin: (waiter: Waiter) => void,
  ): Promise<ReserveResult> {
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
    this.#rules.wakeup?.watch.start();
    begin(waiter);
    return waiter.answered.promise;
  }

  /** Who waits, the one that has waited longest first. */
  get waiters(): Iterable<Waiter> {
    return this.#waiters;
  }

  /** `jobs` became pending on this queue: as many look. */
  wake(queue: string, jobs: number): void {
    let left = jobs;
    for (const waiter of this.#waiters) {
      if (left <= 0) return;
      if (!waiter.request.queues.includes(queue)) continue;
      left -= 1;
      this.claim(waiter);
    }
  }

  wakeAll(): void {
    for (const waiter of [...this.#waiters]) this.claim(waiter);
  }

  moveBehind(waiter: Waiter): void {
    if (this.#waiters.delete(waiter)) this.#waiters.add(waiter);
  }

  claim(waiter: Waiter): void {
    if (waiter.over) return;
    if (waiter.claiming) {
      waiter.again = true;
      return;
    }
    waiter.claiming = true;
    waiter.again = false;
    this.#rules
      .claim(waiter.request, () => waiter.over)
      .then(
        (result) => this.#claimed(waiter, result),
        (error: unknown) => this.#failed(waiter, error),
      );
  }

  /** `waitsForAnswers`: however long the claims take that are on their way. */
  close(waitsForAnswers = false): void {
    this.#closed = true;
    for (const waiter of [...this.#waiters]) this.#end(waiter, waitsForAnswers);
    this.#tick?.cancel();
    this.#linger?.cancel();
    this.#rules.wakeup?.watch.stop();
  }

  #claimed(waiter: Waiter, result: ReserveResult): void {
    waiter.claiming = false;
    this.#rules.looked?.(waiter, result.reservations.length > 0);
    if (waiter.gone) return this.#rules.handBack?.(result);
    waiter.died = waiter.died.length === 0 ? result.died : [...waiter.died, ...result.died];
    waiter.nextDueInMs = result.nextDueInMs;
    if (result.reservations.length > 0) {
      this.#leave(waiter);
      this.#answer(waiter, { ...result, died: waiter.died });
      this.#rules.given?.(waiter, result);
    } else if (waiter.over) {
      this.#answer(waiter, emptyResult(waiter));
    } else if (waiter.again) {
      this.claim(waiter);
    } else {
      this.lookWithin(this.#rules.lookAgainInMs(waiter.nextDueInMs));
    }
  }

  /** It holds no jobs, so it may reject; but what died is told. */
  #failed(waiter: Waiter, error: unknown): void {
    waiter.claiming = false;
    this.#rules.looked?.(waiter, false);
    if (waiter.gone) return;
    const nobodyWaits = waiter.over;
    this.#leave(waiter);
    if (waiter.died.length > 0 || nobodyWaits) return this.#answer(waiter, emptyResult(waiter));
    waiter.gone = true;
    waiter.answered.reject(error);
  }

  /** Time is up, aborted or closed. What a claim on its way still takes is its own business. */
  #end(waiter: Waiter, waitsForAnswer = false): void {
    if (waiter.over) return;
    this.#leave(waiter);
    const { lastAnswer } = this.#rules;
    if (!waiter.claiming) return this.#answer(waiter, emptyResult(waiter));
    if (lastAnswer === undefined || waitsForAnswer) return;
    waiter.deadline = lastAnswer.clock.timer(lastAnswer.ms, () => this.#answer(waiter, emptyResult(waiter)));
  }

  #answer(waiter: Waiter, result: ReserveResult): void {
    waiter.gone = true;
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
    const { wakeup } = this.#rules;
    if (wakeup === undefined || this.#closed || this.#linger !== undefined) return;
    this.#linger = this.#clock.timer(wakeup.lingerMs, () => this.#stopWatching(wakeup.watch), { keepAlive: false });
  }

  #stopWatching(watch: Wakeup): void {
    this.#linger = undefined;
    if (this.#waiters.size === 0) watch.stop();
  }

  /** One timer for all, at the earliest of what they wait for. */
  lookWithin(ms: number): void {
    const at = this.#clock.monotonic() + Math.max(1, ms);
    if (at >= this.#tickAt) return;
    this.#tick?.cancel();
    this.#tickAt = at;
    this.#tick = this.#clock.timer(Math.max(1, ms), () => {
      this.#tickAt = Infinity;
      this.#rules.look();
    });
  }
}

function emptyResult(waiter: Waiter): ReserveResult {
  return { reservations: [], died: waiter.died, nextDueInMs: waiter.nextDueInMs };
}

import type { Clock, ReserveRequest, ReserveResult } from "../../contract/index.ts";
import { Deferred, systemClock } from "../../runtime/index.ts";
import { type Waiter, WaitingList, type WaitingRules } from "../shared/waiting-list.ts";
import { ABORT_GRACE_MS, POLL_MS } from "./limits.ts";

const lookAgainInMs = (nextDueInMs = POLL_MS): number => Math.min(nextDueInMs, POLL_MS);

/** Reserves that wait for a job: woken by markers, by the next due time, and every second anyway. */
export class WaitingReserves {
  readonly #list: WaitingList;
  readonly #listen: (queues: readonly string[]) => void;
  /** Resolved with the next claim of a waiter that a marker woke. */
  readonly #looks = new Map<Waiter, Deferred<boolean>>();

  constructor(
    clock: Clock,
    does: Readonly<{
      claim: WaitingRules["claim"];
      giveBack: (result: ReserveResult) => void;
      listen: (queues: readonly string[]) => void;
    }>,
  ) {
    this.#listen = does.listen;
    this.#list = new WaitingList(clock, {
      claim: does.claim,
      lookAgainInMs,
      look: () => this.#list.wakeAll(),
      looked: (waiter, found) => {
        this.#looks.get(waiter)?.resolve(found);
        this.#looks.delete(waiter);
      },
      lastAnswer: { clock: systemClock, ms: ABORT_GRACE_MS },
      handBack: does.giveBack,
    });
  }

  wait(request: ReserveRequest, first: ReserveResult, waitMs: number): Promise<ReserveResult> {
    if (waitMs <= 0) return Promise.resolve({ ...first, reservations: [] });
    return this.#list.wait(request, first, waitMs, (waiter) => {
      this.#listen(request.queues);
      this.#list.lookWithin(lookAgainInMs(waiter.nextDueInMs));
    });
  }

  /** The queues for which somebody waits. */
  queues(): readonly string[] {
    return [...new Set([...this.#list.waiters].flatMap(({ request }) => request.queues))];
  }

  /** One of those who wait on this queue looks, and tells whether it found something; undefined when nobody waits. */
  wake(queue: string): Promise<boolean> | undefined {
    for (const waiter of this.#list.waiters) {
      if (!waiter.request.queues.includes(queue)) continue;
      // Behind the others next time, so that each gets its turn.
      this.#list.moveBehind(waiter);
      this.#list.claim(waiter);
      const look = this.#looks.get(waiter) ?? new Deferred<boolean>();
      this.#looks.set(waiter, look);
      return look.promise;
    }
    return undefined;
  }

  /** Claims that are on their way may bring jobs, which who asked still gets. */
  close(): void {
    this.#list.close(true);
  }
}

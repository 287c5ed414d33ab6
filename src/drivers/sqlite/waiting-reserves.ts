import type { Clock, ReserveRequest, ReserveResult } from "../../contract/index.ts";
import { WaitingList, type WaitingRules, type Wakeup } from "../shared/waiting-list.ts";
import { POLL_MS } from "./limits.ts";

/** How long the watch on the file stays after the last consumer stopped waiting: one that works never waits long enough to need it. */
const LINGER_MS = 1_000;

/**
 * Reserves that wait for a job. They are woken by pushes of this process at once, by other processes through `wakeup`, by the next due time,
 * and every second anyway. A claim on an empty queue only reads, so each wake-up lets all of them look.
 */
export class WaitingReserves {
  readonly #list: WaitingList;

  constructor(clock: Clock, claim: WaitingRules["claim"], wakeup: Wakeup | undefined) {
    this.#list = new WaitingList(clock, {
      claim,
      lookAgainInMs: (nextDueInMs = POLL_MS) => Math.min(nextDueInMs, POLL_MS),
      look: () => this.#list.wakeAll(),
      wakeup: wakeup === undefined ? undefined : { watch: wakeup, lingerMs: LINGER_MS },
    });
  }

  wait(request: ReserveRequest, first: ReserveResult, waitMs: number): Promise<ReserveResult> {
    // Between the first look and the watch something may have come.
    return this.#list.wait(request, first, waitMs, (waiter) => this.#list.claim(waiter));
  }

  /** `jobs` became pending on this queue: as many consumers get a look. */
  wake(queue: string, jobs: number): void {
    this.#list.wake(queue, jobs);
  }

  wakeAll(): void {
    this.#list.wakeAll();
  }

  close(): void {
    this.#list.close();
  }
}

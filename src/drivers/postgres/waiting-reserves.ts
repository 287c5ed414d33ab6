import type { Clock, ReserveRequest, ReserveResult } from "../../contract/index.ts";
import { WaitingList, type Wakeup } from "../shared/waiting-list.ts";

/** How long LISTEN stays after the last consumer stopped waiting. */
const LINGER_MS = 5_000;
/** How long an aborted reserve waits for the answer of a claim on its way; what comes later is handed back. */
const LAST_ANSWER_MS = 500;
/** A due time is rounded up on the server, and its clock may differ in speed from ours. */
const DUE_MARGIN_MS = 1;

type Calls = Readonly<{
  claim: (request: ReserveRequest) => Promise<ReserveResult>;
  /** Takes jobs that nobody waits for any more. Never rejects. */
  handBack: (result: ReserveResult) => Promise<void>;
}>;

/**
 * Reserves that wait for a job. They are woken by pushes of this process at once, by other processes through `wakeup`, by the next due time,
 * and now and then anyway. A claim that brought all it asked for wakes the next consumer.
 */
export class WaitingReserves {
  readonly #list: WaitingList;
  readonly #calls: Calls;
  readonly #handedBack = new Set<Promise<void>>();
  pollMs: number;

  constructor(clock: Clock, pollMs: number, calls: Calls, wakeup: Wakeup | undefined) {
    this.#calls = calls;
    this.pollMs = pollMs;
    this.#list = new WaitingList(clock, {
      claim: calls.claim,
      lookAgainInMs: (nextDueInMs = Infinity) => Math.min(nextDueInMs + DUE_MARGIN_MS, this.pollMs),
      look: () => this.look(),
      given: ({ request }, result) => {
        if (result.reservations.length >= request.max) this.#wakeNext(result);
      },
      lastAnswer: { clock, ms: LAST_ANSWER_MS },
      handBack: (result) => this.#handBack(result),
      wakeup: wakeup === undefined ? undefined : { watch: wakeup, lingerMs: LINGER_MS },
    });
  }

  wait(request: ReserveRequest, first: ReserveResult, waitMs: number): Promise<ReserveResult> {
    // Between the first look and now something may have come.
    return this.#list.wait(request, first, waitMs, (waiter) => this.#list.claim(waiter));
  }

  /** `jobs` became pending on this queue: as many consumers get a look. */
  wake(queue: string, jobs: number): void {
    this.#list.wake(queue, jobs);
  }

  /** Something may have come anywhere: one consumer of each kind looks, and wakes the next when it finds more than it takes. */
  look(): void {
    const looked = new Set<string>();
    for (const waiter of this.#list.waiters) {
      const queues = waiter.request.queues.join("\0");
      if (looked.has(queues)) continue;
      looked.add(queues);
      this.#list.claim(waiter);
    }
  }

  async close(): Promise<void> {
    this.#list.close();
    await Promise.all(this.#handedBack);
  }

  #handBack(result: ReserveResult): void {
    if (result.reservations.length === 0 && result.died.length === 0) return;
    const handed = this.#calls.handBack(result);
    this.#handedBack.add(handed);
    void handed.then(() => this.#handedBack.delete(handed));
  }

  /** There may be more where these came from. */
  #wakeNext({ reservations }: ReserveResult): void {
    for (const queue of new Set(reservations.map(({ job }) => job.queue))) this.wake(queue, 1);
  }
}

import type { ReserveRequest, ReserveResult } from "../../contract/index.ts";
import { WaitingList, type WaitingRules } from "../shared/waiting-list.ts";
import type { JobStore } from "./job-store.ts";
import { segmentOf, segmentOfReadyBucket } from "./keys.ts";
import { POLL_MS } from "./limits.ts";
import { follow } from "./watching.ts";

/** The watch of buckets goes on for so long after the last who waited. */
const LINGER_MS = 5_000;

const lookAgainInMs = (nextDueInMs = POLL_MS): number => Math.max(1, Math.min(nextDueInMs, POLL_MS));

/** Reserves that wait for a job: woken by the watch of markers, by the next due time, and every second anyway. */
export class WaitingReserves {
  readonly #jobs: JobStore;
  readonly #list: WaitingList;
  #watch: AbortController | undefined;

  constructor(jobs: JobStore, claim: WaitingRules["claim"]) {
    this.#jobs = jobs;
    this.#list = new WaitingList(jobs.clock, {
      claim,
      lookAgainInMs,
      look: () => this.#list.wakeAll(),
      wakeup: { watch: { start: () => this.#start(), stop: () => this.#stop() }, lingerMs: LINGER_MS },
    });
  }

  wait(request: ReserveRequest, first: ReserveResult, waitMs: number): Promise<ReserveResult> {
    if (waitMs <= 0) return Promise.resolve({ ...first, reservations: [] });
    return this.#list.wait(request, first, waitMs, (waiter) =>
      this.#list.lookWithin(lookAgainInMs(waiter.nextDueInMs)),
    );
  }

  wake(queue: string, jobs: number): void {
    this.#list.wake(queue, jobs);
  }

  wakeAll(): void {
    this.#list.wakeAll();
  }

  /** Something may be due then. */
  lookWithin(ms: number): void {
    if (this.#watch !== undefined && ms !== Infinity) this.#list.lookWithin(ms);
  }

  lookSoon(): void {
    this.lookWithin(1);
  }

  close(): void {
    this.#list.close(true);
  }

  #start(): void {
    if (this.#watch !== undefined) return;
    const watch = new AbortController();
    this.#watch = watch;
    const { store, clock, keys } = this.#jobs;
    const following = follow(store, clock, keys.markers("r"), watch.signal, ({ entries }) => {
      const changed = new Set(entries.map(({ key }) => segmentOfReadyBucket(keys.bucketOf(key))));
      for (const waiter of this.#list.waiters) {
        if (waiter.request.queues.some((queue) => changed.has(segmentOf(queue)))) this.#list.claim(waiter);
      }
    });
    following.catch(() => undefined);
  }

  #stop(): void {
    this.#watch?.abort();
    this.#watch = undefined;
  }
}

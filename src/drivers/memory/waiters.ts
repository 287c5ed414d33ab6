import type { ReserveRequest, ReserveResult } from "../../contract/index.ts";

/** A reserve that found nothing and waits. */
export type Waiter<Q> = Readonly<{
  request: ReserveRequest;
  queues: readonly Q[];
  /** Monotonic milliseconds. */
  deadline: number;
  resolve: (result: ReserveResult) => void;
  onAbort: () => void;
}>;

/** All waiting reserves, first come first served, and the earliest time at which one of them stops waiting. */
export class Waiters<Q extends { waiting: number }> {
  readonly #waiters = new Set<Waiter<Q>>();

  get size(): number {
    return this.#waiters.size;
  }

  get nextDeadline(): number {
    let next = Infinity;
    for (const { deadline } of this.#waiters) next = Math.min(next, deadline);
    return next;
  }

  add(waiter: Waiter<Q>): void {
    this.#waiters.add(waiter);
    for (const queue of waiter.queues) queue.waiting += 1;
    waiter.request.signal?.addEventListener("abort", waiter.onAbort, { once: true });
  }

  /** Takes it out and answers it. Does nothing the second time. */
  end(waiter: Waiter<Q>, result: ReserveResult): void {
    if (!this.#waiters.delete(waiter)) return;
    for (const queue of waiter.queues) queue.waiting -= 1;
    waiter.request.signal?.removeEventListener("abort", waiter.onAbort);
    waiter.resolve(result);
  }

  all(): readonly Waiter<Q>[] {
    return [...this.#waiters];
  }
}

/**
 * Jobs in this process's memory.
 * A claim is atomic because it is synchronous. A crash leaves nothing behind: nothing outlives the process. Nothing is emulated. Layout: a
 * bucket a priority in a heap of buckets (ready-line.ts), one indexed heap of due times for delays and leases (due-heap.ts), ids found by
 * number (job-index.ts). At most one timer is armed, and only while somebody waits.
 */
import type {
  Capabilities,
  CoordinationStore,
  Driver,
  DriverContext,
  ErrorClass,
  ExtendItem,
  ExtendResult,
  FinishItem,
  FinishResult,
  MaintainResult,
  PushItem,
  PushResult,
  Reservation,
  ReserveRequest,
  ReserveResult,
  StoredStats,
  Timer,
} from "../../contract/index.ts";
import { failureFrom, invalidArgument, isJobferryError, UnsupportedError } from "../../errors/index.ts";
import { checkOptions } from "../../runtime/index.ts";
import { closedError, notOpenError } from "../shared/life-cycle.ts";
import { CAPABILITIES, refusal } from "./capabilities.ts";
import { MemoryCoordination, memoryCoordinationStore } from "./coordination-store.ts";
import { MemoryRecords } from "./memory-records.ts";
import { MemoryStore } from "./memory-store.ts";
import { MemoryReservation, type QueueState } from "./slot.ts";
import { type Waiter, Waiters } from "./waiters.ts";

export type MemoryDriverOptions = Readonly<{
  /** Default true: jobs hold a copy of their payload, as with every other backend. false hands the value itself over, unchecked. */
  copy?: boolean;
}>;

const STORED: PushResult = { status: "stored" };
const EXISTS: PushResult = { status: "exists" };
const NOTHING: readonly Reservation[] = [];

class MemoryDriver implements Driver {
  readonly name = "memory";
  readonly keeps: "copy" | "reference";
  readonly records: MemoryRecords;
  readonly coordination: CoordinationStore = memoryCoordinationStore(new MemoryCoordination());
  readonly #waiters = new Waiters<QueueState>();
  #store: MemoryStore | undefined;
  #closed = false;
  #serving = false;
  #timer: Timer | undefined;
  #timerAt = Infinity;

  constructor(options: MemoryDriverOptions) {
    checkOptions("memory", options, ["copy"]);
    if (options.copy !== undefined && typeof options.copy !== "boolean")
      throw invalidArgument("copy", options.copy, "true or false");
    this.keeps = options.copy === false ? "reference" : "copy";
    this.records = new MemoryRecords(
      () => this.#settled(),
      () => this.#serveSoon(),
    );
  }

  async open(context: DriverContext): Promise<Capabilities> {
    if (this.#closed) throw closedError("memory driver");
    this.#store ??= new MemoryStore(context);
    return CAPABILITIES;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    for (const waiter of this.#waiters.all()) this.#waiters.end(waiter, this.#nothing());
  }

  classify(error: unknown): ErrorClass {
    const { code, message } = failureFrom(error, "UNEXPECTED");
    return { code: isJobferryError(error) ? error.code : "UNEXPECTED", retryable: false, message: message || code };
  }

  get #open(): MemoryStore {
    if (this.#closed) throw closedError("memory driver");
    if (this.#store === undefined) throw notOpenError("memory driver");
    return this.#store;
  }

  async push(jobs: readonly PushItem[], options?: Readonly<{ transaction?: never }>): Promise<readonly PushResult[]> {
    if (options?.transaction !== undefined)
      throw new UnsupportedError("transactions", "The memory queue has no transactions. Push after your commit.");
    const store = this.#open;
    const now = store.now();
    const results: PushResult[] = [];
    let wake = false;
    for (const item of jobs) {
      const error = refusal(item);
      if (error !== undefined) {
        results.push({ status: "refused", error });
        continue;
      }
      const slot = store.push(item, now);
      results.push(slot === undefined ? EXISTS : STORED);
      if (slot !== undefined && slot.queue.waiting > 0) wake = true;
    }
    if (wake) this.#serveSoon();
    return results;
  }

  async reserve(request: ReserveRequest): Promise<ReserveResult> {
    if (this.#closed || request.signal?.aborted) return this.#nothing();
    const store = this.#open;
    const queues = request.queues.map((name) => store.queue(name));
    const result = this.#claim(request, queues);
    this.#armEarlier();
    if (result.reservations.length > 0 || result.died.length > 0 || request.waitMs <= 0) return result;
    return new Promise((resolve) => {
      const deadline = this.#open.clock.monotonic() + request.waitMs;
      const waiter: Waiter<QueueState> = {
        request,
        queues,
        deadline,
        resolve,
        onAbort: () => {
          this.#waiters.end(waiter, this.#nothing());
          this.#arm(); // the timer of the last waiter must not keep the process alive
        },
      };
      this.#waiters.add(waiter);
      this.#arm();
    });
  }

  #nothing(): ReserveResult {
    return { reservations: NOTHING, died: [], nextDueInMs: this.#store?.nextDueIn() };
  }

  #claim(request: ReserveRequest, queues: readonly QueueState[]): ReserveResult {
    const store = this.#open;
    const claimedAt = store.clock.monotonic();
    const now = Math.ceil(claimedAt);
    store.settle(now);
    const { epoch } = store;
    const reservations: Reservation[] = [];
    let suspects = request.free ?? request.max;
    for (const queue of queues) {
      if (queue.paused) continue;
      while (reservations.length < request.max) {
        const slot = queue.ready.peek();
        if (slot === undefined) break;
        // A job that lost a lease may be what killed its worker: it is only given for a slot that is free now.
        if (slot.losses > 0 && (suspects -= 1) < 0)
          return { reservations, died: store.takeDied(), nextDueInMs: 0, claimedAt };
        reservations.push(store.reserve(slot, now, request.leaseMs, epoch));
      }
    }
    return { reservations, died: store.takeDied(), nextDueInMs: store.nextDueIn(), claimedAt };
  }

  async finish(items: readonly FinishItem[]): Promise<readonly FinishResult[]> {
    const store = this.#open;
    const now = store.now();
    let wake = false;
    const results = items.map((item): FinishResult => {
      const slot = slotOf(item.reservation);
      if (slot === undefined || !store.holds(slot, Number(item.reservation.token))) return "lost";
      switch (item.outcome) {
        case "done":
          store.complete(slot, item.result);
          break;
        case "fail":
          if (item.threw === true) slot.exceptions += 1;
          store.fail(slot, item.failure);
          break;
        case "release":
          if (item.threw === true) slot.exceptions += 1;
          if (item.failure !== undefined) slot.failure = item.failure;
          if (item.loss === true) store.lose(slot, now);
          else store.release(slot, now, item.delayMs, item.refund === true);
          wake = true;
      }
      return "ok";
    });
    if (wake) this.#serveSoon();
    return results;
  }

  async extend(items: readonly ExtendItem[]): Promise<readonly ExtendResult[]> {
    const store = this.#open;
    const now = store.now();
    return items.map(({ reservation, leaseMs }): ExtendResult => {
      const slot = slotOf(reservation);
      if (slot === undefined || !store.holds(slot, Number(reservation.token))) return "lost";
      store.extend(slot, now, leaseMs);
      this.#armEarlier();
      return "ok";
    });
  }

  async maintain({ max }: Readonly<{ max: number }>): Promise<MaintainResult> {
    const store = this.#open;
    const { promoted, recovered, died } = store.settle(store.now(), max);
    const pruned = store.prune(max);
    if (promoted + recovered + died > 0) this.#serveSoon();
    return { promoted, recovered, pruned, died: store.takeDied(), nextDueInMs: store.nextDueIn() };
  }

  async queues(): Promise<readonly string[]> {
    return this.#open
      .queues()
      .filter((queue) => queue.used)
      .map((queue) => queue.name);
  }

  async stats(name?: string): Promise<StoredStats> {
    const store = this.#settled();
    const known = name === undefined ? store.queues() : [store.known(name)].filter((queue) => queue !== undefined);
    const sum = (of: (queue: QueueState) => number): number => known.reduce((total, queue) => total + of(queue), 0);
    const oldest = Math.min(...known.map((queue) => queue.ready.oldest() ?? Infinity));
    return {
      pending: sum((queue) => queue.ready.count),
      delayed: sum((queue) => queue.delayed),
      reserved: sum((queue) => queue.reserved),
      failed: sum((queue) => queue.failed),
      completed: sum((queue) => queue.completed),
      oldestPendingAt: oldest === Infinity ? undefined : Math.floor(oldest + store.epoch),
      paused: known.length > 0 && known.every((queue) => queue.paused),
    };
  }

  async clear(name?: string): Promise<Readonly<{ removed: number }>> {
    const store = this.#open;
    const queues = name === undefined ? store.queues() : [store.known(name)].filter((queue) => queue !== undefined);
    return { removed: store.clear(new Set(queues)) };
  }

  async pause(name: string): Promise<void> {
    const queue = this.#open.queue(name);
    [queue.paused, queue.used] = [true, true];
  }

  async resume(name: string): Promise<void> {
    this.#open.queue(name).paused = false;
    this.#serveSoon();
  }

  /** The store as of now. What became pending by it goes to those who wait, not only at their timer. */
  #settled(): MemoryStore {
    const store = this.#open;
    const { promoted, recovered, died } = store.settle(store.now());
    if (promoted + recovered + died > 0) this.#serveSoon();
    return store;
  }

  /** Something may run out before the time for which the timer is set. */
  #armEarlier(): void {
    if (this.#waiters.size === 0 || this.#store === undefined) return;
    const next = this.#store.nextDueIn();
    if (next !== undefined && this.#store.clock.monotonic() + next < this.#timerAt) this.#arm();
  }

  /** Jobs pushed in one go are handed out together: the waiters are served when the caller's turn is over. */
  #serveSoon(): void {
    if (this.#serving || this.#waiters.size === 0) return;
    this.#serving = true;
    queueMicrotask(() => {
      this.#serving = false;
      if (!this.#closed) this.#serve();
    });
  }

  #serve(): void {
    const store = this.#open;
    const now = store.clock.monotonic();
    for (const waiter of this.#waiters.all()) {
      const result = this.#claim(waiter.request, waiter.queues);
      if (result.reservations.length > 0 || result.died.length > 0 || waiter.deadline <= now)
        this.#waiters.end(waiter, result);
    }
    this.#arm();
  }

  /** Keeps the one timer at the earliest time at which a waiter can be served or stops waiting. An armed timer that is early enough stays. */
  #arm(): void {
    const store = this.#open;
    if (this.#waiters.size === 0) {
      this.#timer?.cancel();
      [this.#timer, this.#timerAt] = [undefined, Infinity];
      return;
    }
    const now = store.clock.monotonic();
    const at = Math.min(this.#waiters.nextDeadline, now + (store.nextDueIn() ?? Infinity));
    if (this.#timer !== undefined && this.#timerAt <= at && this.#timerAt > now) return;
    this.#timer?.cancel();
    this.#timerAt = at;
    this.#timer = store.clock.timer(Math.max(0, at - now), () => {
      [this.#timer, this.#timerAt] = [undefined, Infinity];
      if (!this.#closed) this.#serve();
    });
  }
}

function slotOf(reservation: Reservation): MemoryReservation["slot"] | undefined {
  return reservation instanceof MemoryReservation ? reservation.slot : undefined;
}

export function memoryDriver(options: MemoryDriverOptions = {}): Driver {
  return new MemoryDriver(options);
}

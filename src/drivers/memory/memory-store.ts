import type { Clock, DriverContext, JobFailure, PushItem, StoredJob } from "../../contract/index.ts";
import { DueHeap, isDueBefore } from "./due-heap.ts";
import { LeaseLine } from "./lease-line.ts";
import { JobIndex } from "./job-index.ts";
import { Listing } from "./listing.ts";
import { MemoryReservation, QueueState, type Rest, Slot, snapshotOf } from "./slot.ts";

const MAX_DIED = 10_000;
/** How often jobs with an absolute time are looked at again, because the wall clock may be stepped. */
const WALL_CHECK_MS = 30_000;
/** How many old jobs each one that comes to rest sweeps out: more than one, so that they do not pile up where nobody calls maintain. */
const AT_ONCE = 2;

type Settled = Readonly<{ promoted: number; recovered: number; died: number }>;

/** The jobs and every change of their state. All of it is synchronous, so each method is atomic. */
export class MemoryStore {
  readonly clock: Clock;
  readonly #retention: DriverContext["retention"];
  readonly #counter = { value: 0 };
  readonly #queues = new Map<string, QueueState>();
  readonly #index = new JobIndex();
  /** Leases by the monotonic clock; those that the line does not take are in `#due`. */
  readonly #leases = new LeaseLine();
  /** Delays and leases by the monotonic clock. */
  readonly #due = new DueHeap();
  /** Absolute times by the wall clock, relative to the epoch of the first reading. */
  readonly #scheduled = new DueHeap();
  readonly #wallStart: number;
  readonly live: Listing = new Listing(this.#counter);
  readonly failed: Listing = new Listing(this.#counter);
  readonly completed: Listing = new Listing(this.#counter);
  #tokens = 0;
  #died: StoredJob[] = [];

  constructor(context: DriverContext) {
    this.clock = context.clock;
    this.#retention = context.retention;
    this.#wallStart = Math.floor(context.clock.now());
  }

  /** Whole monotonic milliseconds, rounded up: what is due at the end of a millisecond is never early. */
  now(): number {
    return Math.ceil(this.clock.monotonic());
  }

  get epoch(): number {
    return this.clock.now() - this.clock.monotonic();
  }

  queue(name: string): QueueState {
    let queue = this.#queues.get(name);
    if (queue === undefined) {
      queue = new QueueState(name);
      this.#queues.set(name, queue);
    }
    return queue;
  }

  known(name: string): QueueState | undefined {
    return this.#queues.get(name);
  }

  queues(): readonly QueueState[] {
    return [...this.#queues.values()];
  }

  find(id: string): Slot | undefined {
    return this.#index.get(id);
  }

  /** undefined when the id is still kept. */
  push(item: PushItem, now: number): Slot | undefined {
    if (this.#index.has(item)) return undefined;
    const slot = new Slot(item, this.queue(item.queue));
    slot.queue.used = true;
    this.#index.add(slot);
    this.live.enter(slot);
    if (item.runAt !== undefined) this.#schedule(slot, item.runAt, now);
    else if (item.delayMs > 0) this.#delay(slot, now + Math.ceil(item.delayMs));
    else this.#makeReady(slot, now);
    return slot;
  }

  #schedule(slot: Slot, runAt: number, now: number): void {
    const wait = runAt - this.clock.now();
    if (wait <= 0) return this.#makeReady(slot, now);
    slot.state = "delayed";
    slot.availableAt = now + Math.ceil(wait);
    slot.queue.delayed += 1;
    this.#scheduled.add(slot, Math.ceil(runAt) - this.#wallStart);
  }

  #delay(slot: Slot, at: number): void {
    slot.state = "delayed";
    slot.availableAt = at;
    slot.queue.delayed += 1;
    this.#due.add(slot, at);
  }

  #makeReady(slot: Slot, now: number): void {
    slot.state = "pending";
    slot.availableAt = now;
    slot.queue.ready.push(slot);
  }

  /** Takes the head of the queue's line. */
  reserve(slot: Slot, now: number, leaseMs: number, epoch: number): MemoryReservation {
    slot.queue.ready.take();
    slot.queue.reserved += 1;
    slot.state = "reserved";
    slot.attempts += 1;
    this.#tokens += 1;
    slot.token = this.#tokens;
    slot.reservedAt = now;
    this.#lease(slot, now + Math.ceil(leaseMs));
    return new MemoryReservation(slot, epoch);
  }

  /** Whether the lease of that token still stands. */
  holds(slot: Slot, token: number): boolean {
    return slot.state === "reserved" && slot.token === token;
  }

  extend(slot: Slot, now: number, leaseMs: number): void {
    this.#unlease(slot);
    this.#lease(slot, now + Math.ceil(leaseMs));
  }

  #lease(slot: Slot, endsAt: number): void {
    if (!this.#leases.add(slot, endsAt)) this.#due.add(slot, endsAt);
  }

  #unlease(slot: Slot): void {
    if (LeaseLine.has(slot)) this.#leases.remove(slot);
    else this.#due.remove(slot);
  }

  #unreserve(slot: Slot): void {
    this.#unlease(slot);
    slot.token = 0;
    slot.queue.reserved -= 1;
  }

  release(slot: Slot, now: number, delayMs: number, refund: boolean): void {
    this.#unreserve(slot);
    if (refund) slot.attempts -= 1;
    if (delayMs > 0) this.#delay(slot, now + Math.ceil(delayMs));
    else this.#makeReady(slot, now);
  }

  complete(slot: Slot, result: Uint8Array | undefined): void {
    this.#unreserve(slot);
    slot.queue.completed += 1;
    this.live.leave(slot);
    const { completed } = this.#retention;
    if (completed.count <= 0 || completed.ageMs <= 0) return this.#index.remove(slot);
    slot.queue.kept += 1;
    this.#rest(slot, "completed", { finishedAt: Math.floor(this.clock.now()), result });
    this.#pruneBeyond(this.completed, completed.count);
    this.#pruneOlder(this.completed, completed.ageMs, AT_ONCE);
  }

  fail(slot: Slot, failure: JobFailure): void {
    if (slot.state === "reserved") this.#unreserve(slot);
    slot.failure = failure;
    this.live.leave(slot);
    const { failed } = this.#retention;
    const rest: Rest = { finishedAt: Math.floor(this.clock.now()), result: undefined };
    if (failed.count <= 0 || failed.ageMs <= 0) {
      [slot.state, slot.rest] = ["failed", rest]; // for `died`
      return this.#index.remove(slot);
    }
    slot.queue.failed += 1;
    this.#rest(slot, "failed", rest);
    this.#pruneBeyond(this.failed, failed.count);
    this.#pruneOlder(this.failed, failed.ageMs, AT_ONCE);
  }

  #rest(slot: Slot, state: "failed" | "completed", rest: Rest): void {
    slot.state = state;
    slot.rest = rest;
    (state === "failed" ? this.failed : this.completed).enter(slot);
  }

  #pruneBeyond(listing: Listing, count: number): void {
    while (listing.size > count) {
      const oldest = listing.first();
      if (oldest === undefined) return;
      this.remove(oldest);
    }
  }

  /** Forgets what is older than the retention's age, at most `max` of each kind; how many. */
  prune(max: number): number {
    const failed = this.#pruneOlder(this.failed, this.#retention.failed.ageMs, max);
    return failed + this.#pruneOlder(this.completed, this.#retention.completed.ageMs, max);
  }

  #pruneOlder(listing: Listing, ageMs: number, max: number): number {
    if (ageMs === Infinity) return 0;
    const before = this.clock.now() - ageMs;
    for (let n = 0; n < max; n += 1) {
      const oldest = listing.first();
      if (oldest?.rest === undefined || oldest.rest.finishedAt >= before) return n;
      this.remove(oldest);
    }
    return max;
  }

  /** Forgets a job that is not reserved. */
  remove(slot: Slot): void {
    const { state, queue } = slot;
    this.#index.remove(slot);
    if (state === "pending") {
      slot.state = "completed"; // its entry in the line no longer counts
      queue.ready.removed();
    } else if (state === "delayed") {
      this.#undelay(slot);
    } else if (state === "failed") {
      queue.failed -= 1;
    } else {
      queue.kept -= 1;
    }
    const listing = state === "failed" ? this.failed : state === "completed" ? this.completed : this.live;
    listing.leave(slot);
  }

  #undelay(slot: Slot): void {
    const heap =
      slot.item.runAt !== undefined && this.#scheduled.values()[slot.heapAt] === slot ? this.#scheduled : this.#due;
    heap.remove(slot);
    slot.queue.delayed -= 1;
  }

  retry(slot: Slot, now: number): void {
    slot.queue.failed -= 1;
    this.failed.leave(slot);
    this.live.enter(slot);
    [slot.attempts, slot.losses, slot.exceptions, slot.failure, slot.rest] = [0, 0, 0, undefined, undefined];
    this.#makeReady(slot, now);
  }

  promote(slot: Slot, now: number): void {
    this.#undelay(slot);
    this.#makeReady(slot, now);
  }

  clear(queues: ReadonlySet<QueueState>): number {
    const waiting = [...this.#due.values(), ...this.#scheduled.values()].filter(
      (slot) => slot.state === "delayed" && queues.has(slot.queue),
    );
    for (const queue of queues) for (const slot of queue.ready.waiting()) waiting.push(slot);
    for (const slot of waiting) this.remove(slot);
    for (const queue of queues) queue.ready.clear();
    return waiting.length;
  }

  /** Promotes what is due and takes back what ran out, at most `max` in all. `died` went to failed instead of coming back. */
  settle(now: number, max: number = Infinity): Settled {
    const done = { promoted: 0, recovered: 0, died: 0 };
    // `now` is rounded up, so a time is over only when the millisecond after it has begun.
    const clock = this.clock.monotonic();
    const wall = this.#scheduled.size === 0 ? 0 : this.clock.now() - this.#wallStart;
    for (let n = 0; n < max; n += 1) {
      const slot = this.#nextDue(clock, wall);
      if (slot === undefined) break;
      if (slot.state === "delayed") {
        this.promote(slot, now);
        done.promoted += 1;
      } else if (this.lose(slot, now)) done.recovered += 1;
      else done.died += 1;
    }
    return done;
  }

  /** What is due first by either clock, so that jobs become pending in the order of their times. */
  #nextDue(clock: number, wall: number): Slot | undefined {
    const first = this.#firstDue();
    const due = first !== undefined && first.dueAt <= clock ? first : undefined;
    const scheduled = this.#scheduled.nextAt <= wall ? this.#scheduled.peek() : undefined;
    if (due === undefined || scheduled === undefined) return due ?? scheduled;
    return clock - due.dueAt >= wall - scheduled.dueAt ? due : scheduled;
  }

  #firstDue(): Slot | undefined {
    const lease = this.#leases.peek();
    const due = this.#due.peek();
    if (lease === undefined || due === undefined) return lease ?? due;
    return isDueBefore(lease, due) ? lease : due;
  }

  /** The lease ran out, or whoever held it died. false when it was once too often and the job failed. */
  lose(slot: Slot, now: number): boolean {
    slot.losses += 1;
    if (slot.losses < slot.item.maxLosses) {
      this.release(slot, now, 0, false);
      return true;
    }
    this.fail(slot, {
      code: "LEASE_EXPIRED",
      name: "JobferryError",
      message: `The lease ran out ${slot.losses} times (maxLosses): the worker died or blocked its event loop each time.`,
      stack: undefined,
    });
    if (this.#died.length < MAX_DIED) this.#died.push(snapshotOf(slot, this.epoch));
    return false;
  }

  takeDied(): readonly StoredJob[] {
    if (this.#died.length === 0) return NONE;
    const died = this.#died;
    this.#died = [];
    return died;
  }

  /** Milliseconds until something becomes due or runs out; undefined when nothing will. */
  nextDueIn(): number | undefined {
    let next = (this.#firstDue()?.dueAt ?? Infinity) - this.clock.monotonic();
    if (this.#scheduled.size > 0) {
      next = Math.min(next, this.#scheduled.nextAt + this.#wallStart - this.clock.now(), WALL_CHECK_MS);
    }
    return next === Infinity ? undefined : Math.max(0, next);
  }
}

const NONE: readonly StoredJob[] = [];

import type { JobFailure, JobState, PushItem, Reservation, StoredJob, Texts } from "../../contract/index.ts";
import { ReadyLine } from "./ready-line.ts";

/** How a job came to rest. */
export type Rest = Readonly<{ finishedAt: number; result: Uint8Array | undefined }>;

type Trail = Readonly<{ failure: JobFailure | undefined; rest: Rest | undefined }>;

/**
 * A job's place in memory. Times are whole milliseconds of the monotonic clock (small integers; a double costs 16 bytes of its own).
 * It is in at most one heap at a time, so one due time and one heap position serve delays and leases.
 */
export class Slot {
  readonly item: PushItem;
  readonly queue: QueueState;
  state: JobState = "pending";
  attempts = 0;
  losses = 0;
  exceptions = 0;
  /** Of the current reservation; 0 otherwise. */
  token = 0;
  /** When it became, or becomes, pending. */
  availableAt = 0;
  reservedAt = 0;
  /** End of the delay or the lease. */
  dueAt = 0;
  heapAt = -1;
  /** Place in the listing that it is in. */
  order = 0;
  /** Only of jobs that failed or are kept: one field, because most have neither. */
  #trail: Trail | undefined = undefined;

  constructor(item: PushItem, queue: QueueState) {
    this.item = item;
    this.queue = queue;
  }

  get failure(): JobFailure | undefined {
    return this.#trail?.failure;
  }

  set failure(failure: JobFailure | undefined) {
    this.#trail = trailOf(failure, this.#trail?.rest);
  }

  get rest(): Rest | undefined {
    return this.#trail?.rest;
  }

  set rest(rest: Rest | undefined) {
    this.#trail = trailOf(this.#trail?.failure, rest);
  }
}

function trailOf(failure: JobFailure | undefined, rest: Rest | undefined): Trail | undefined {
  return failure === undefined && rest === undefined ? undefined : { failure, rest };
}

/** One named queue: what is pending, its counters and how many wait for it. */
export class QueueState {
  readonly name: string;
  readonly ready: ReadyLine<Slot> = new ReadyLine();
  /** Whether a job was ever pushed here or the queue paused; a reserve alone makes no queue that others see. */
  used = false;
  /** Reserves that wait for a job of this queue. */
  waiting = 0;
  delayed = 0;
  reserved = 0;
  failed = 0;
  /** Completed jobs that are kept. */
  kept = 0;
  /** Since the queue was made. */
  completed = 0;
  paused = false;

  constructor(name: string) {
    this.name = name;
  }
}

/** A lease and the job as it was when the lease began. */
export class MemoryReservation implements Reservation, StoredJob {
  readonly slot: Slot;
  readonly token: number;
  readonly attempts: number;
  readonly losses: number;
  readonly exceptions: number;
  readonly failure: JobFailure | undefined;
  readonly state = "reserved";
  readonly #epoch: number;
  readonly #availableAt: number;
  readonly #reservedAt: number;

  /** `epoch` is the wall clock at 0 of the monotonic one. */
  constructor(slot: Slot, epoch: number) {
    this.slot = slot;
    this.token = slot.token;
    this.attempts = slot.attempts;
    this.losses = slot.losses;
    this.exceptions = slot.exceptions;
    this.failure = slot.failure;
    this.#epoch = epoch;
    this.#availableAt = slot.availableAt;
    this.#reservedAt = slot.reservedAt;
  }

  get job(): StoredJob {
    return this;
  }
  get item(): PushItem {
    return this.slot.item;
  }
  get id(): string {
    return this.slot.item.id;
  }
  get queue(): string {
    return this.slot.item.queue;
  }
  get name(): string {
    return this.slot.item.name;
  }
  get priority(): number {
    return this.slot.item.priority;
  }
  get tags(): Texts {
    return this.slot.item.tags;
  }
  get envelope(): Uint8Array {
    return this.slot.item.envelope;
  }
  get payload(): Uint8Array {
    return this.slot.item.payload;
  }
  get createdAt(): number {
    return this.slot.item.createdAt;
  }
  get availableAt(): number {
    return Math.floor(this.#availableAt + this.#epoch);
  }
  get reservedAt(): number {
    return Math.floor(this.#reservedAt + this.#epoch);
  }
  get finishedAt(): undefined {
    return undefined;
  }
  get result(): undefined {
    return undefined;
  }
}

/** The job as it is now, for listings and `died`. */
export function snapshotOf(slot: Slot, epoch: number): StoredJob {
  const { item, state, attempts, losses, exceptions, failure, rest } = slot;
  const { id, queue, name, priority, tags, createdAt } = item;
  return {
    ...{ item, id, queue, name, priority, tags, createdAt, state, attempts, losses, exceptions, failure },
    get envelope(): Uint8Array {
      return item.envelope;
    },
    get payload(): Uint8Array {
      return item.payload;
    },
    availableAt: Math.floor(slot.availableAt + epoch),
    reservedAt: attempts === 0 ? undefined : Math.floor(slot.reservedAt + epoch),
    finishedAt: rest?.finishedAt,
    result: rest?.result,
  };
}

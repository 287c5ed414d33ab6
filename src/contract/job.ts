export type JobState = "pending" | "delayed" | "reserved" | "failed" | "completed";
export type Texts = Readonly<Record<string, string>>;

/**
 * A job on its way into a store. `envelope` and `payload` are opaque to every driver and come back byte for byte.
 * A driver inside the process may keep the object itself and return it as `StoredJob.item`; then neither is ever encoded.
 */
export interface PushItem {
  readonly id: string;
  /** The number inside an id that this process made, which saves a driver inside the process the string; undefined for an id given by the user. */
  readonly sequence: number | undefined;
  readonly queue: string;
  readonly name: string;
  /** Higher first. */
  readonly priority: number;
  readonly tags: Texts;
  /** Milliseconds that the store adds to its own clock. */
  readonly delayMs: number;
  /** Epoch milliseconds; only when the user gave an absolute time. It takes the place of `delayMs`. */
  readonly runAt: number | undefined;
  /** The number of lost leases at which the store itself fails the job with LEASE_EXPIRED. */
  readonly maxLosses: number;
  /** The producer's clock, epoch milliseconds. */
  readonly createdAt: number;
  readonly envelope: Uint8Array;
  readonly payload: Uint8Array;
  /** The payload as text whose UTF-8 it is, where it has not been encoded yet: cheaper for a driver that writes it into a buffer of its own. Whoever pushes another payload leaves it out. */
  readonly payloadText?: string | undefined;
}

/** Why a job failed, as it is kept. */
export type JobFailure = Readonly<{
  /** An ErrorCode, or a newer one written by a later version. */
  code: string;
  name: string;
  message: string;
  stack: string | undefined;
}>;

/** A job as a store holds it. Times are epoch milliseconds by the store's clock. */
export interface StoredJob {
  /** The very object that was pushed, where the driver kept it. Then `envelope` and `payload` need not be read. */
  readonly item: PushItem | undefined;
  readonly id: string;
  readonly queue: string;
  readonly name: string;
  readonly priority: number;
  readonly tags: Texts;
  readonly envelope: Uint8Array;
  readonly payload: Uint8Array;
  readonly state: JobState;
  /** Reservations so far, this one included; given back by a refund. */
  readonly attempts: number;
  /** Leases that ran out. */
  readonly losses: number;
  /** Attempts that threw. */
  readonly exceptions: number;
  readonly createdAt: number;
  readonly availableAt: number;
  readonly reservedAt: number | undefined;
  /** When it came to rest in completed or failed. */
  readonly finishedAt: number | undefined;
  /** The reason of the newest failed attempt. */
  readonly failure: JobFailure | undefined;
  /** The encoded result of a completed job that is kept. */
  readonly result: Uint8Array | undefined;
}

/** Never given out twice by one backend; later reservations of the same job compare higher where it is a number. Opaque to everybody but its driver. */
export type Token = number | string;

/** One lease on one job. It goes back to the driver as it came. */
export interface Reservation {
  readonly job: StoredJob;
  readonly token: Token;
}

import type { CoordinationCapabilities } from "../../contract/index.ts";

export const MAX_PRIORITY = 2_147_483_647;
/** One call of the driver; it is several transactions. */
export const MAX_ITEMS = 500;
/** How long a wake-up may be missed at most: a watch is told again by a look at the store. */
export const POLL_MS = 1_000;
/** Of what a value holds beside the payload: envelope, names, tags, the newest failure. */
const RESERVE_BYTES: number = 48 * 1024;
/** Of that, for the newest failure and what else a job gains on its way. */
export const FAILURE_BYTES: number = 40 * 1024;
/** Characters of the stack and of the message of a failure that are kept. */
export const MAX_FAILURE_TEXT: number = 4 * 1024;
/** Of each of its three texts as JSON. Together they are less than FAILURE_BYTES. */
export const MAX_FAILURE_BYTES: number = 12 * 1024;
/** Keys, counters and markers of one transaction that is full. */
const TRANSACTION_SLACK: number = 16 * 1024;
/** A small transaction holds up nobody else, and a refused one costs little. */
const MOST_BYTES: number = 1024 * 1024;

/** What the store's limits leave for jobs. */
export type Room = Readonly<{
  /** Compares and writes of one transaction together. */
  operations: number;
  /** What a put counts among them that may meet a key. */
  overwrite: number;
  transactionBytes: number;
  valueBytes: number;
  payloadBytes: number;
  /** So many jobs, each of another queue and priority, fit in one transaction. */
  atomic: number;
}>;

/** Operations of one transaction for the session and the state of a queue. */
const FIXED_OPERATIONS = 2;
/** A pushed job that shares nothing: its id's absence and key, its entry, the compare of its queue's counter; and its marker and the counter's value, which are there. */
const OPERATIONS_ALONE = 4;
const OVERWRITES_ALONE = 2;

/** Session, state of the queue, and compare and value of its counter; each job is compared, deleted and put. */
export function jobsAClaim({ operations, overwrite }: Pick<Room, "operations" | "overwrite">): number {
  return Math.max(1, Math.floor((operations - FIXED_OPERATIONS - 1 - overwrite) / 3));
}

export function roomIn({ limits }: CoordinationCapabilities): Room {
  const { overwrite = 1 } = limits;
  const alone = OPERATIONS_ALONE + OVERWRITES_ALONE * overwrite;
  const largest = Math.min(limits.valueBytes, limits.transactionBytes - TRANSACTION_SLACK);
  return {
    operations: limits.operations,
    overwrite,
    transactionBytes: Math.min(limits.transactionBytes, Math.max(largest + TRANSACTION_SLACK, MOST_BYTES)),
    valueBytes: largest,
    payloadBytes: largest - RESERVE_BYTES,
    atomic: Math.max(1, Math.floor((limits.operations - FIXED_OPERATIONS) / alone)),
  };
}

/** How late a timer and the transactions behind it may be on a store that is not busy. */
export const LATE_MS = 250;

/** After which a job is tried again that the servers do not take as it would become. */
export const STUCK_MS = 30_000;

/** Of one script call, so that none holds the server up for more than about 2 ms. */
export const MAX_ITEMS = 500;
/** Above it a batch is cut, so that no call fills the server's query buffer. */
export const MAX_BATCH_BYTES: number = 8 * 1024 * 1024;
/** What one claim brings at most, beyond its first job. */
export const MAX_CLAIM_BYTES: number = 8 * 1024 * 1024;
export const MAX_PAYLOAD_BYTES: number = 8 * 1024 * 1024;
/** Larger payloads lie in a hash of their own: a retry rewrites the record, a listing reads it. */
export const INLINE_PAYLOAD_BYTES: number = 4 * 1024;
/** An integer that a score of a sorted set holds exactly. */
export const MAX_PRIORITY: number = 2 ** 52;
/** Of an id as UTF-8. */
export const MAX_ID_BYTES = 4_096;

/** Delayed jobs that become due, and leases that ran out, are taken care of in such portions. */
export const DUE_PORTION = 200;
/** Queues that one call of maintenance or statistics looks at. */
export const QUEUES_A_CALL = 100;
/** How long a wake-up may be missed: its marker can be lost with the process that took it. */
export const POLL_MS = 1_000;

/** How long, in real time, an aborted reserve stays for a claim that is under way. */
export const ABORT_GRACE_MS = 1_000;

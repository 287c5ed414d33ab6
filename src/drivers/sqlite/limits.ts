/** Of one transaction. Above any of them it is committed and the event loop gets its turn: together they keep one below about 2 ms. */
export const MAX_ROWS = 250;
export const MAX_BYTES: number = 2 * 1024 * 1024;
export const MAX_MS = 1;

/** Of one payload. 16 MB are written in about 40 ms, during which nothing else happens in the process: store larger things elsewhere. */
export const MAX_PAYLOAD_BYTES: number = 8 * 1024 * 1024;
/** Payloads above it lie in a table of their own, because a claim rewrites its row. At 4 KB both ways cost the same, at 16 KB the row costs 1.5 times as much. */
export const INLINE_PAYLOAD_BYTES: number = 8 * 1024;
export const MAX_PRIORITY: number = 2 ** 31 - 1;

/** Delayed jobs that become due, and leases that ran out, are taken care of in such portions. */
export const DUE_PORTION = 200;
/** How long a wake-up may be missed where the file system reports no change. */
export const POLL_MS = 1_000;

export const MAX_PAYLOAD_BYTES: number = 16 * 1024 * 1024;
export const MAX_PRIORITY: number = 2 ** 31 - 1;
/** Of one call: a statement and a transaction. */
export const MAX_ROWS = 1_000;
export const MAX_BATCH_BYTES: number = 16 * 1024 * 1024;
/** The oldest server: it has what claims need (MATERIALIZED, joins by ctid). */
export const LEAST_SERVER = 120_000;

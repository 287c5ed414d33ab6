export const MAX_PAYLOAD_BYTES: number = 16 * 1024 * 1024;
export const MAX_PRIORITY: number = 2 ** 31 - 1;
/** Of one call: a statement and a transaction. */
export const MAX_ROWS = 1_000;
export const MAX_BATCH_BYTES: number = 16 * 1024 * 1024;
/** The oldest server: it has what claims need (MATERIALIZED, joins by ctid). */
export const LEAST_SERVER = 120_000;

/** Cuts a list so that no part exceeds the rows of a call. */
export function portions<T>(items: readonly T[]): readonly (readonly T[])[] {
  if (items.length <= MAX_ROWS) return [items];
  return Array.from({ length: Math.ceil(items.length / MAX_ROWS) }, (_, i) =>
    items.slice(i * MAX_ROWS, (i + 1) * MAX_ROWS),
  );
}

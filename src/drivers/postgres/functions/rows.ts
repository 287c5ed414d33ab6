/** What `claim` and `maintain` return of a job that was reserved or died, in the order of `JobRow`. */
export const ROW: string = `kind integer, nth integer, seq bigint, id text, name text, priority integer, tags text, attempts integer, losses integer,
  exceptions integer, created_at bigint, available_at bigint, reserved_at bigint, finished_at bigint, failure text, envelope bytea, payload bytea`;

export const valuesOf = (kind: number, nth: string): string =>
  `${kind}, ${nth}, j.seq, j.id, j.name, j.priority, j.tags, j.attempts, j.losses, j.exceptions, j.created_at, j.available_at,
      j.reserved_at, j.finished_at, j.failure, j.envelope, j.payload`;

export const infoRow = (next: string, promoted = "NULL", recovered = "NULL"): string =>
  `-1, NULL::integer, NULL::bigint, NULL::text, NULL::text, NULL::integer, NULL::text, ${promoted}::integer, ${recovered}::integer,
      NULL::integer, NULL::bigint, NULL::bigint, NULL::bigint, NULL::bigint, (${next})::text, NULL::bytea, NULL::bytea`;

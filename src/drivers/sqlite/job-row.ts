import type { JobFailure, JobState, Reservation, StoredJob, Texts } from "../../contract/index.ts";
import { COMPLETED, DELAYED, FAILED, PENDING, RESERVED } from "./schema.ts";
import type { Statements } from "./statements.ts";
import { textOf } from "./text.ts";

/** A row of `JOB_COLUMNS`. */
export type JobRow = Readonly<{
  seq: number;
  id: string | Uint8Array;
  queue: number;
  state: number;
  priority: number;
  attempts: number;
  losses: number;
  exceptions: number;
  max_losses: number;
  created_at: number;
  available_at: number;
  reserved_at: number | null;
  finished_at: number | null;
  body: number | null;
  name: string | Uint8Array;
  tags: string | null;
  failure: string | null;
  result: Uint8Array | null;
  envelope: Uint8Array;
  payload: Uint8Array | null;
}>;

/** A row of `READY_COLUMNS`. Objects of `node:sqlite` are slow to make and to read: they took a quarter of all that a job costs a busy worker. */
export type ReadyRow = readonly [
  seq: number,
  id: JobRow["id"],
  priority: number,
  attempts: number,
  losses: number,
  exceptions: number,
  createdAt: number,
  availableAt: number,
  body: number | null,
  name: JobRow["name"],
  tags: string | null,
  failure: string | null,
  envelope: Uint8Array,
  payload: Uint8Array | null,
];

/** Where each value is. */
export const READY = {
  seq: 0,
  id: 1,
  priority: 2,
  attempts: 3,
  losses: 4,
  exceptions: 5,
  createdAt: 6,
  availableAt: 7,
  body: 8,
  name: 9,
  tags: 10,
  failure: 11,
  envelope: 12,
  payload: 13,
} as const;

/** Arrays as they are; objects, of a database that was handed in and cannot give arrays, in the order of their columns. */
export function readyRows(rows: readonly unknown[]): readonly ReadyRow[] {
  return (Array.isArray(rows[0]) ? rows : rows.map((row) => Object.values(row as object))) as readonly ReadyRow[];
}

/** What a reservation carries besides: where the job lies. Both hold as long as the token does. */
export type SqliteReservation = Reservation & Readonly<{ token: number; seq: number; body: number | null }>;

export const STATE_NUMBERS: Readonly<Record<JobState, number>> = {
  pending: PENDING,
  delayed: DELAYED,
  reserved: RESERVED,
  failed: FAILED,
  completed: COMPLETED,
};
const STATE_NAMES: readonly JobState[] = ["pending", "delayed", "reserved", "failed", "completed"];
const NO_TAGS: Texts = Object.freeze({});
const NO_BYTES = new Uint8Array(0);

export function tagsOf(row: Pick<JobRow, "tags">): Texts {
  return row.tags === null ? NO_TAGS : (JSON.parse(row.tags) as Texts);
}

export function storedTags(tags: Texts): string | null {
  for (const _ in tags) return JSON.stringify(tags);
  return null;
}

export function failureOf(row: Pick<JobRow, "failure">): JobFailure | undefined {
  if (row.failure === null) return undefined;
  const { code, name, message, stack } = JSON.parse(row.failure) as JobFailure;
  return { code, name, message, stack };
}

export function payloadOf(row: Pick<JobRow, "body" | "payload">, sql: Statements): Uint8Array {
  if (row.body === null) return row.payload ?? NO_BYTES;
  const found = sql.body.get(row.body) as Readonly<{ payload: Uint8Array }> | undefined;
  return found?.payload ?? NO_BYTES;
}

export function storedJob(row: JobRow, queue: string, sql: Statements): StoredJob {
  return {
    item: undefined,
    id: textOf(row.id),
    queue,
    name: textOf(row.name),
    priority: row.priority,
    tags: tagsOf(row),
    envelope: row.envelope,
    payload: payloadOf(row, sql),
    state: STATE_NAMES[row.state] ?? "failed",
    attempts: row.attempts,
    losses: row.losses,
    exceptions: row.exceptions,
    createdAt: row.created_at,
    availableAt: row.available_at,
    reservedAt: row.reserved_at ?? undefined,
    finishedAt: row.finished_at ?? undefined,
    failure: failureOf(row),
    result: row.result ?? undefined,
  };
}

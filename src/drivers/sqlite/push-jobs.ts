import type { PushItem, PushResult } from "../../contract/index.ts";
import { faultOf, isSurelyShort, type PushLimits } from "../shared/push-limits.ts";
import type { SqliteValue } from "./database.ts";
import { storedTags } from "./job-row.ts";
import { INLINE_PAYLOAD_BYTES, MAX_PAYLOAD_BYTES, MAX_PRIORITY } from "./limits.ts";
import { DELAYED, PENDING } from "./schema.ts";
import { storedText, textOf } from "./text.ts";
import type { Transaction } from "./transaction.ts";

const LIMITS: PushLimits = { title: "SQLite", payloadBytes: MAX_PAYLOAD_BYTES, priority: MAX_PRIORITY };
const STORED: PushResult = { status: "stored" };
const EXISTS: PushResult = { status: "exists" };

/** Rows of one INSERT. A statement a row costs about 1 us more for each (measured: 4.1 to 5.4 us against 3.2). */
const ROWS_A_STATEMENT = 10;

export function pushJobs(tx: Transaction, jobs: readonly PushItem[]): readonly PushResult[] {
  const results: PushResult[] = [];
  let from = 0;
  while (from < jobs.length) {
    const count = jobs.length - from >= ROWS_A_STATEMENT ? plainRun(tx, jobs, from) : 0;
    if (count === ROWS_A_STATEMENT) {
      pushTogether(tx, jobs.slice(from, from + count), results);
      from += count;
      continue;
    }
    // The one that needs a look of its own, or a rest too short for a statement of many rows.
    const until = Math.min(jobs.length, from + count + 1);
    for (; from < until; from += 1) results.push(pushJob(tx, jobs[from] as PushItem));
  }
  return results;
}

/** A single job, without a body and a queue that have to be stored before it. */
export function isOneStatement(tx: Transaction, jobs: readonly PushItem[]): boolean {
  const [only] = jobs;
  return jobs.length === 1 && only !== undefined && !isLarge(only) && tx.knows(only.queue);
}

/** How many jobs from here on can share a statement. */
function plainRun(tx: Transaction, jobs: readonly PushItem[], from: number): number {
  let count = 0;
  while (count < ROWS_A_STATEMENT) {
    const job = jobs[from + count];
    if (job === undefined || isLarge(job) || faultOf(job, tx.now, LIMITS) !== undefined) break;
    count += 1;
  }
  return count;
}

/**
 * All of them in one statement. It tells only how many were new; their places follow each other (SQLite gives the highest rowid plus one), so
 * when some were not, those that are there from the first of these places on are the new ones.
 */
function pushTogether(tx: Transaction, jobs: readonly PushItem[], results: PushResult[]): void {
  const values: SqliteValue[] = [];
  for (const job of jobs) addRow(tx, job, null, values);
  const { changes, lastInsertRowid } = tx.sql.pushTen.run(...values);
  if (changes === jobs.length) {
    for (const job of jobs) {
      results.push(STORED);
      pushed(tx, job);
    }
    return;
  }
  const before = Number(lastInsertRowid) - Number(changes);
  const rows = changes === 0 ? [] : (tx.sql.idsBehind.all(before) as readonly Readonly<{ id: string | Uint8Array }>[]);
  const stored = new Set(rows.map(({ id }) => textOf(id)));
  for (const job of jobs) {
    const isNew = stored.delete(job.id);
    results.push(isNew ? STORED : EXISTS);
    if (isNew) pushed(tx, job);
  }
}

function pushJob(tx: Transaction, job: PushItem): PushResult {
  const error = faultOf(job, tx.now, LIMITS);
  if (error !== undefined) return { status: "refused", error };
  // Before its body is written, not after: the body would be left over.
  if (isLarge(job) && tx.sql.exists.get(storedText(job.id)) !== undefined) return EXISTS;
  const body = isLarge(job) ? Number(tx.sql.pushBody.run(job.payload).lastInsertRowid) : null;
  const values: SqliteValue[] = [];
  addRow(tx, job, body, values);
  if (tx.sql.push.run(...values).changes === 0) return EXISTS;
  pushed(tx, job);
  return STORED;
}

const isLarge = (job: PushItem): boolean =>
  !isSurelyShort(job, INLINE_PAYLOAD_BYTES) && job.payload.length > INLINE_PAYLOAD_BYTES;
const dueAt = (tx: Transaction, job: PushItem): number => job.runAt ?? tx.now + job.delayMs;

/** In the order of the statement's columns. */
function addRow(tx: Transaction, job: PushItem, body: number | null, values: SqliteValue[]): void {
  const due = dueAt(tx, job);
  const isDelayed = due > tx.now;
  values.push(
    storedText(job.id),
    tx.queue(job.queue),
    isDelayed ? DELAYED : PENDING,
    job.priority,
    job.maxLosses,
    job.createdAt,
    isDelayed ? Math.ceil(due) : tx.now,
    body,
    storedText(job.name),
    storedTags(job.tags),
    job.envelope,
    body === null ? inlinePayload(tx, job) : null,
  );
}

/** For a column that casts it to a BLOB. */
function inlinePayload(tx: Transaction, job: PushItem): string | Uint8Array {
  const text = tx.sql.isUtf8 ? job.payloadText : undefined;
  return text ?? job.payload;
}

function pushed(tx: Transaction, job: PushItem): void {
  if (dueAt(tx, job) > tx.now) tx.delayed = true;
  else tx.wake(job.queue, 1);
  tx.pages += 1 + bytesOf(job) / 4096;
}

/** Of text the number of characters will do: it is short. */
function bytesOf(job: PushItem): number {
  return (job.payloadText ?? job.payload).length + job.envelope.length;
}

export function sizeOf(jobs: readonly PushItem[]): number {
  let bytes = 0;
  for (const job of jobs) bytes += bytesOf(job);
  return bytes;
}

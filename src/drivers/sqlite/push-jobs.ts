import type { PushItem, PushResult } from "../../contract/index.ts";
import { JobferryError, UnsupportedError } from "../../errors/index.ts";
import { MAX_DURATION_MS } from "../../runtime/index.ts";
import { storedTags } from "./job-row.ts";
import { INLINE_PAYLOAD_BYTES, MAX_PAYLOAD_BYTES, MAX_PRIORITY } from "./limits.ts";
import { DELAYED, PENDING } from "./schema.ts";
import { storedText } from "./text.ts";
import type { Transaction } from "./transaction.ts";

const STORED: PushResult = { status: "stored" };
const EXISTS: PushResult = { status: "exists" };

export function pushJobs(tx: Transaction, jobs: readonly PushItem[]): readonly PushResult[] {
  const results: PushResult[] = [];
  for (const job of jobs) results.push(pushJob(tx, job));
  return results;
}

function pushJob(tx: Transaction, job: PushItem): PushResult {
  const error = fault(job, tx.now);
  if (error !== undefined) return { status: "refused", error };
  const id = storedText(job.id);
  const isLarge = job.payload.length > INLINE_PAYLOAD_BYTES;
  // Before its body is written, not after: the body would be left over.
  if (isLarge && tx.sql.exists.get(id) !== undefined) return EXISTS;
  const body = isLarge ? Number(tx.sql.pushBody.run(job.payload).lastInsertRowid) : null;
  const wanted = job.runAt ?? tx.now + job.delayMs;
  const state = wanted > tx.now ? DELAYED : PENDING;
  const { changes } = tx.sql.push.run(
    id,
    tx.queue(job.queue),
    state,
    job.priority,
    job.maxLosses,
    job.createdAt,
    state === DELAYED ? Math.ceil(wanted) : tx.now,
    body,
    storedText(job.name),
    storedTags(job.tags),
    job.envelope,
    isLarge ? null : job.payload,
  );
  if (changes === 0) return EXISTS;
  if (state === DELAYED) tx.delayed = true;
  else tx.wake(job.queue, 1);
  tx.pages += 1 + (job.payload.length + job.envelope.length) / 4096;
  return STORED;
}

function fault(job: PushItem, now: number): JobferryError | undefined {
  if (job.payload.length > MAX_PAYLOAD_BYTES) {
    return new JobferryError(
      "PAYLOAD_TOO_LARGE",
      `The payload of job ${JSON.stringify(job.id)} has ${job.payload.length} bytes; SQLite queues take at most ${MAX_PAYLOAD_BYTES}. Store it elsewhere and push where it lies.`,
    );
  }
  if (!(Math.abs(job.priority) <= MAX_PRIORITY)) {
    return new UnsupportedError(
      "priority",
      `priority is ${job.priority}; SQLite queues take integers from ${-MAX_PRIORITY} to ${MAX_PRIORITY}.`,
    );
  }
  if (!(job.runAt === undefined ? job.delayMs <= MAX_DURATION_MS : job.runAt - now <= MAX_DURATION_MS)) {
    return new UnsupportedError(
      "delay",
      `The delay of job ${JSON.stringify(job.id)} is longer than 100 years (${MAX_DURATION_MS} ms).`,
    );
  }
  return undefined;
}

export function sizeOf(jobs: readonly PushItem[]): number {
  let bytes = 0;
  for (const job of jobs) bytes += job.payload.length + job.envelope.length;
  return bytes;
}

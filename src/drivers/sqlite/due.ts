import type { JobFailure, StoredJob } from "../../contract/index.ts";
import type { JobRow } from "./job-row.ts";
import type { Transaction } from "./transaction.ts";

/** What is to be done on a queue, and when. */
export type Look = Readonly<{
  paused: number;
  /** Epoch milliseconds of the next delayed job. */
  due: number | null;
  /** By the lease clock, of the next lease. */
  lease: number | null;
}>;

export function look(tx: Transaction, queue: number): Look {
  return tx.sql.look.get(queue) as Look;
}

/** @returns milliseconds from now, undefined when nothing is known. */
export function nextDueIn(now: number, leaseNow: number, { due, lease }: Look): number | undefined {
  const dueIn = due === null ? Infinity : due - now;
  const leaseIn = lease === null ? Infinity : lease - leaseNow;
  const next = Math.max(0, Math.min(dueIn, leaseIn));
  return next === Infinity ? undefined : next;
}

export function sooner(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return Math.min(a, b);
}

/** Delayed jobs whose time has come become pending, in the order of their times, behind those that are ready. */
export function promoteDue(tx: Transaction, queue: number, max: number): number {
  const rows = tx.sql.due.all(queue, tx.now, max) as readonly Readonly<{ seq: number }>[];
  for (const { seq } of rows) tx.sql.becomeDue.run(tx.lastPlace(), seq);
  if (rows.length > 0) tx.wake(tx.queueName(queue), rows.length);
  return rows.length;
}

type ExpiredRow = Readonly<{ seq: number; losses: number; max_losses: number }>;

/** Jobs whose lease ran out are pending again, or failed when that was their last loss. */
export function recoverExpired(tx: Transaction, queue: number, max: number, died: StoredJob[]): number {
  const rows = tx.sql.expired.all(queue, tx.leaseNow, max) as readonly ExpiredRow[];
  let recovered = 0;
  for (const { seq, losses, max_losses } of rows) {
    const place = tx.lastPlace();
    if (losses + 1 < max_losses) {
      tx.sql.recover.run(place, tx.now, seq);
      recovered += 1;
      continue;
    }
    died.push(failLost(tx, seq, place, losses + 1));
  }
  if (recovered > 0) tx.wake(tx.queueName(queue), recovered);
  return recovered;
}

/** The job's last loss: to failed, with its losses counted. */
export function failLost(tx: Transaction, seq: number, place: number, losses: number): StoredJob {
  tx.sql.die.run(place, tx.now, JSON.stringify(leaseExpired(losses)), seq);
  return tx.job(tx.sql.job.get(place) as JobRow);
}

function leaseExpired(losses: number): JobFailure {
  const message = `The lease ran out ${losses === 1 ? "once" : `${losses} times`} before the job was finished: its worker died, or held it longer than its lease.`;
  return { code: "LEASE_EXPIRED", name: "JobferryError", message, stack: undefined };
}

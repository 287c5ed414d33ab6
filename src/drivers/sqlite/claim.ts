import type { ReserveRequest, ReserveResult, StoredJob } from "../../contract/index.ts";
import { look, nextDueIn, promoteDue, recoverExpired, sooner } from "./due.ts";
import type { Look } from "./due.ts";
import { failureOf, payloadOf, READY, readyRows, tagsOf } from "./job-row.ts";
import type { ReadyRow, SqliteReservation } from "./job-row.ts";
import { DUE_PORTION, MAX_ROWS } from "./limits.ts";
import { textOf } from "./text.ts";
import type { Transaction } from "./transaction.ts";

type Claim = {
  readonly reservations: SqliteReservation[];
  readonly died: StoredJob[];
  nextDueInMs: number | undefined;
  readonly claimedAt: number;
  /** Jobs with losses that may still be given. */
  free: number;
};

/**
 * Takes up to `max` jobs. Atomic because it runs inside a BEGIN IMMEDIATE: SQLite lets one connection write at a time, so between reading
 * the first rows of the line and marking them as reserved nobody else can take them.
 */
export function claimJobs(tx: Transaction, request: ReserveRequest): ReserveResult {
  const max = Math.min(request.max, MAX_ROWS);
  const claim: Claim = {
    reservations: [],
    died: [],
    nextDueInMs: undefined,
    claimedAt: tx.startedAt,
    free: request.free ?? max,
  };
  for (const name of request.queues) {
    const queue = tx.findQueue(name);
    if (queue === undefined) continue;
    const seen = bringUpToDate(tx, queue, claim);
    const wanted = max - claim.reservations.length;
    if (seen.paused === 0) {
      claim.nextDueInMs = sooner(claim.nextDueInMs, nextDueIn(tx.now, tx.leaseNow, seen));
      if (wanted > 0 && !takeFrom(tx, name, queue, wanted, request.leaseMs, claim)) break;
    }
    if (claim.reservations.length >= max) break;
  }
  if (claim.reservations.length > 0) claim.nextDueInMs = sooner(claim.nextDueInMs, request.leaseMs);
  return claim;
}

function bringUpToDate(tx: Transaction, queue: number, claim: Claim): Look {
  const seen = look(tx, queue);
  const promoted = seen.due !== null && seen.due <= tx.now ? promoteDue(tx, queue, DUE_PORTION) : 0;
  const expired = seen.lease !== null && seen.lease <= tx.leaseNow;
  if (expired) recoverExpired(tx, queue, DUE_PORTION, claim.died);
  return promoted > 0 || expired ? look(tx, queue) : seen;
}

/** @returns false when it stopped at a job with losses that may not be given. */
function takeFrom(
  tx: Transaction,
  name: string,
  queue: number,
  wanted: number,
  leaseMs: number,
  claim: Claim,
): boolean {
  const rows = readyRows(tx.sql.ready.all(queue, wanted));
  const taken = countAllowed(rows, claim);
  if (taken === 0) return rows.length === 0;
  const leaseEnd = Math.ceil(tx.leaseNow + leaseMs);
  const firstToken = tx.tokens(taken);
  for (let i = 0; i < taken; i += 1) {
    const row = rows[i] as ReadyRow;
    const seq = row[READY.seq];
    const token = firstToken + i;
    tx.sql.reserve.get(row[READY.attempts] + 1, token, leaseEnd, tx.now, seq); // without an object that tells of changes
    tx.pages += 1 + (row[READY.payload]?.length ?? 0) / 4096;
    claim.reservations.push({ job: reservedJob(tx, row, name), token, seq, body: row[READY.body] });
  }
  return taken === rows.length;
}

function countAllowed(rows: readonly ReadyRow[], claim: Claim): number {
  for (const [index, row] of rows.entries()) {
    if (row[READY.losses] === 0) continue;
    if (claim.free === 0) return index;
    claim.free -= 1;
  }
  return rows.length;
}

function reservedJob(tx: Transaction, row: ReadyRow, queue: string): StoredJob {
  return {
    item: undefined,
    id: textOf(row[READY.id]),
    queue,
    name: textOf(row[READY.name]),
    priority: row[READY.priority],
    tags: tagsOf({ tags: row[READY.tags] }),
    envelope: row[READY.envelope],
    payload: payloadOf({ body: row[READY.body], payload: row[READY.payload] }, tx.sql),
    state: "reserved",
    attempts: row[READY.attempts] + 1,
    losses: row[READY.losses],
    exceptions: row[READY.exceptions],
    createdAt: row[READY.createdAt],
    availableAt: row[READY.availableAt],
    reservedAt: tx.now,
    finishedAt: undefined,
    failure: failureOf({ failure: row[READY.failure] }),
    result: undefined,
  };
}

/** What a reserve would find, without a write: undefined when there may be something to do. */
export function nothingToClaim(
  tx: Transaction,
  queues: readonly string[],
  now: number,
  leaseNow: number,
): ReserveResult | undefined {
  let nextDueInMs: number | undefined;
  for (const name of queues) {
    const queue = tx.findQueue(name);
    if (queue === undefined) continue;
    const seen = look(tx, queue);
    if (seen.paused !== 0) continue;
    const dueIn = nextDueIn(now, leaseNow, seen);
    if (dueIn === 0 || tx.sql.hasReady.get(queue) !== undefined) return undefined;
    nextDueInMs = sooner(nextDueInMs, dueIn);
  }
  return { reservations: [], died: [], nextDueInMs };
}

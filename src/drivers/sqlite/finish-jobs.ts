import type { ExtendItem, ExtendResult, FinishItem, FinishResult, Reservation } from "../../contract/index.ts";
import type { Kept } from "../shared/retention.ts";
import { failLost } from "./due.ts";
import type { SqliteReservation } from "./job-row.ts";
import { DELAYED, PENDING } from "./schema.ts";
import { storedText } from "./text.ts";
import type { Transaction } from "./transaction.ts";

/** Where the leased job lies. A row keeps its place as long as its token holds, so (seq, token) finds it or nothing. */
type Place = Readonly<{ seq: number; body: number | null; token: number }>;

export function finishJobs(tx: Transaction, items: readonly FinishItem[], kept: Kept): readonly FinishResult[] {
  const results: FinishResult[] = [];
  for (const item of items) {
    const place = placeOf(tx, item.reservation);
    results.push(place !== undefined && finishJob(tx, item, place, kept) ? "ok" : "lost");
    tx.pages += 1;
  }
  return results;
}

export function extendLeases(tx: Transaction, items: readonly ExtendItem[]): readonly ExtendResult[] {
  return items.map(({ reservation, leaseMs }) => {
    const place = placeOf(tx, reservation);
    if (place === undefined) return "lost";
    return tx.sql.extend.run(Math.ceil(tx.leaseNow + leaseMs), place.seq, place.token).changes === 0 ? "lost" : "ok";
  });
}

function placeOf(tx: Transaction, reservation: Reservation): Place | undefined {
  if ("seq" in reservation) return reservation as SqliteReservation;
  // A reservation that someone took apart and put together again. A token of another backend finds nothing.
  const { token } = reservation;
  const found = tx.sql.locate.get(storedText(reservation.job.id), token) as Omit<Place, "token"> | undefined;
  return found === undefined || typeof token !== "number" ? undefined : { ...found, token };
}

function finishJob(tx: Transaction, item: FinishItem, place: Place, kept: Kept): boolean {
  const { outcome } = item;
  switch (outcome) {
    case "done":
      return complete(tx, item, place, kept.completed);
    case "release":
      return release(tx, item, place);
    case "fail":
      return fail(tx, item, place, kept.failed);
    default:
      return outcome satisfies never;
  }
}

function complete(tx: Transaction, item: FinishItem & { outcome: "done" }, place: Place, keep: boolean): boolean {
  const { seq, token, body } = place;
  const { changes } = keep
    ? tx.sql.keep.run(tx.lastPlace(), tx.now, item.result ?? null, seq, token)
    : tx.sql.complete.run(seq, token);
  if (changes === 0) return false;
  if (!keep) tx.dropBody(body);
  tx.completed(tx.queue(item.reservation.job.queue));
  return true;
}

function release(tx: Transaction, item: FinishItem & { outcome: "release" }, { seq, token }: Place): boolean {
  const { delayMs, refund = false, threw = false, loss = false, failure } = item;
  if (loss && isLastLoss(tx, seq, token)) return true;
  const isDelayed = delayMs > 0;
  const { changes } = tx.sql.release.run(
    tx.lastPlace(),
    isDelayed ? DELAYED : PENDING,
    isDelayed ? Math.ceil(tx.now + delayMs) : tx.now,
    refund ? 1 : 0,
    threw ? 1 : 0,
    loss ? 1 : 0,
    failure === undefined ? null : JSON.stringify(failure),
    seq,
    token,
  );
  if (changes === 0) return false;
  if (isDelayed) tx.delayed = true;
  else tx.wake(item.reservation.job.queue, 1);
  return true;
}

/** Then it is failed here, and the next reserve or maintain reports it. */
function isLastLoss(tx: Transaction, seq: number, token: number): boolean {
  const held = tx.sql.losses.get(seq, token) as Readonly<{ losses: number; max_losses: number }> | undefined;
  if (held === undefined || held.losses + 1 < held.max_losses) return false;
  tx.died.push(failLost(tx, seq, tx.lastPlace(), held.losses + 1));
  return true;
}

function fail(tx: Transaction, item: FinishItem & { outcome: "fail" }, place: Place, keep: boolean): boolean {
  const { seq, token, body } = place;
  if (!keep) {
    if (tx.sql.complete.run(seq, token).changes === 0) return false;
    tx.dropBody(body);
    return true;
  }
  return (
    tx.sql.fail.run(tx.lastPlace(), tx.now, JSON.stringify(item.failure), item.threw === true ? 1 : 0, seq, token)
      .changes !== 0
  );
}

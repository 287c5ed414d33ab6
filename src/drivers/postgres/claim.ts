import type { MaintainResult, ReserveRequest, ReserveResult, StoredJob } from "../../contract/index.ts";
import { binaryArray } from "./arrays.ts";
import type { Row } from "./connections.ts";
import { type PostgresReservation, storedJob } from "./job-row.ts";
import { MAX_ROWS } from "./limits.ts";
import { FAILED } from "./schema.ts";
import { storedText, textOf } from "./text.ts";

const INFO = "-1";
const DIED = String(FAILED);

export function claimValues({ queues, max, free, leaseMs }: ReserveRequest): unknown[] {
  const most = Math.min(max, MAX_ROWS);
  const names = queues.length === 1 ? queues : [...new Set(queues)];
  return [binaryArray({ type: "text", values: names.map(storedText) }), most, Math.min(free ?? most, most), leaseMs];
}

/** The rows come in any order; inside a queue jobs are by priority and place. */
export function claimed(rows: readonly Row[], { queues, leaseMs }: ReserveRequest, claimedAt: number): ReserveResult {
  const names = queues.length === 1 ? queues : [...new Set(queues)];
  const queueOf = (row: Row): string => names[Number(row[1]) - 1] ?? "";
  const reservations: PostgresReservation[] = [];
  const order = new Map<PostgresReservation, number>();
  const died: StoredJob[] = [];
  let nextDueInMs: number | undefined;
  for (const row of rows) {
    if (row[0] === INFO) nextDueInMs = nextDueOf(row);
    else if (row[0] === DIED) died.push(storedJob(row, "failed", queueOf(row)));
    else {
      const reservation = { job: storedJob(row, "reserved", queueOf(row)), token: Number(row[2]) };
      order.set(reservation, Number(row[1]));
      reservations.push(reservation);
    }
  }
  reservations.sort(
    (a, b) => (order.get(a) ?? 0) - (order.get(b) ?? 0) || b.job.priority - a.job.priority || a.token - b.token,
  );
  if (reservations.length > 0) nextDueInMs = Math.min(nextDueInMs ?? Infinity, leaseMs);
  return { reservations, died, nextDueInMs, claimedAt };
}

function nextDueOf(row: Row): number | undefined {
  const text = row[14];
  return typeof text === "string" ? Math.max(0, Number(text)) : undefined;
}

/** What one call of the function `maintain` did. */
export type Maintained = Omit<MaintainResult, "pruned">;

/** `names`: of the queues, by their number in the store. */
export function maintained(rows: readonly Row[], names: ReadonlyMap<string, string>): Maintained {
  const died: StoredJob[] = [];
  let [promoted, recovered] = [0, 0];
  let nextDueInMs: number | undefined;
  for (const row of rows) {
    if (row[0] !== INFO) died.push(storedJob(row, "failed", textOf(names.get(row[1] ?? "") ?? "")));
    else {
      promoted = Number(row[7]);
      recovered = Number(row[8]);
      nextDueInMs = nextDueOf(row);
    }
  }
  return { promoted, recovered, died, nextDueInMs };
}

import type { CoordinationEntry } from "../../contract/index.ts";
import type { JobStore } from "./job-store.ts";
import { segmentOf } from "./keys.ts";
import { gone } from "./moves.ts";
import { moveAll } from "./transactions.ts";

/** A refused transaction met a claim; what that left is looked at again. */
const LOOKS = 5;

/** Removes what waits. Only what lies in buckets that there were when it began: a producer that never stops would keep it from ending. */
export async function clearWaiting(js: JobStore, queue: string | undefined): Promise<number> {
  const of = queue === undefined ? "" : `${segmentOf(queue)}.`;
  const [ready, delayed] = [await js.shelves.markers("r", { of }), await js.shelves.markers("d")];
  let removed = 0;
  for (const marker of ready) removed += await clearBucket(js, "pending", marker, queue);
  for (const marker of delayed) removed += await clearBucket(js, "delayed", marker, queue);
  return removed;
}

async function clearBucket(
  js: JobStore,
  counted: "pending" | "delayed",
  marker: CoordinationEntry,
  queue: string | undefined,
): Promise<number> {
  let removed = 0;
  for (let look = 0; look < LOOKS; look += 1) {
    const entries = await js.shelves.entries(marker);
    const own = entries.filter(({ job }) => queue === undefined || job.queue === queue);
    if (entries.length === 0) await js.shelves.tidy(marker);
    if (own.length === 0) return removed;
    const moves = own.map(({ key, version, job }) => gone(js, { key, version, counted }, job));
    removed += await moveAll(js, await js.life(), moves);
  }
  return removed;
}

import type { Retention } from "../../contract/index.ts";
import type { JobStore } from "./job-store.ts";
import type { ShelfKind } from "./keys.ts";
import { gone } from "./moves.ts";
import { readCounts } from "./statistics.ts";
import { moving } from "./transactions.ts";

/** Buckets that one call looks at. */
const MARKERS = 16;

/** Finished jobs that the retention keeps no longer, the oldest first, at most `max` in all. */
export async function prune(js: JobStore, max: number): Promise<number> {
  const { failed, completed } = js.retention;
  const failedGone = js.keeps.failed ? await pruneOf(js, "f", failed, max) : 0;
  const left = max - failedGone;
  return failedGone + (js.keeps.completed ? await pruneOf(js, "c", completed, left) : 0);
}

async function pruneOf(js: JobStore, kind: ShelfKind, { count, ageMs }: Retention, max: number): Promise<number> {
  const isCounted = Number.isFinite(count);
  const before = js.clock.now() - ageMs;
  let pruned = 0;
  if (max <= 0 || (!isCounted && ageMs === Infinity)) return 0;
  // Mostly nothing is too many, and then no job is read.
  if (ageMs === Infinity && (await totalOf(js, kind)) <= count) return 0;
  for (const marker of await js.shelves.markers(kind, { limit: MARKERS })) {
    const entries = await js.shelves.entries(marker);
    // Counted after they were listed: what others prune in between would be counted, and those that are left pruned in its stead. Another pruner begins with
    // the same jobs, so that one of the two fails.
    const tooMany = isCounted ? Math.max(0, (await totalOf(js, kind)) - count) : 0;
    const isOver = ({ job }: (typeof entries)[number], index: number): boolean =>
      index < tooMany || (job.finishedAt ?? Infinity) < before;
    const old = entries.filter(isOver).slice(0, max - pruned);
    const moves = old.map(({ key, version, job }) => ({ part: partOf(js, kind, { key, version }, job) }));
    for await (const { group, ok } of moving(js, await js.life(), moves)) {
      // Another process prunes, too.
      if (!ok) return pruned;
      pruned += group.length;
    }
    if (old.length === entries.length) await js.shelves.tidy(marker);
    if (pruned >= max || old.length < entries.length) return pruned;
  }
  return pruned;
}

async function totalOf(js: JobStore, kind: ShelfKind): Promise<number> {
  const what = kind === "f" ? "failed" : "kept";
  return [...(await readCounts(js)).values()].reduce((sum, one) => sum + one[what], 0);
}

function partOf(
  js: JobStore,
  kind: ShelfKind,
  at: Readonly<{ key: string; version: string }>,
  job: Parameters<typeof gone>[2],
): ReturnType<typeof gone>["part"] {
  return gone(js, { ...at, counted: kind === "f" ? "failed" : "kept" }, job).part;
}

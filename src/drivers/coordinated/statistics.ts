import type { StoredStats } from "../../contract/index.ts";
import { added, type Counts, decodeCounter, NO_COUNTS } from "./counters.ts";
import type { JobStore } from "./job-store.ts";
import { BASE, groupOfReadyBucket, segmentOf } from "./keys.ts";

/** Looks at counters while others add up those of dead processes; then they are as good as they can be. */
const LOOKS = 3;
/** Buckets that are looked at for the oldest job. */
const MARKERS = 256;

/** By queue: the sum over all processes, those that are gone included. */
export async function readCounts(js: JobStore): Promise<ReadonlyMap<string, Counts>> {
  for (let look = 1; ; look += 1) {
    const sums = new Map<string, Counts>();
    const before = await baseOf(js, sums);
    for (const owner of await js.owners.all()) await addCounters(js, owner, sums);
    const after = await baseOf(js, new Map());
    if (before === after || look >= LOOKS) return sums;
  }
}

/** Its versions, in which a change shows. */
function baseOf(js: JobStore, sums: Map<string, Counts>): Promise<string> {
  return addCounters(js, BASE, sums);
}

async function addCounters({ store, keys }: JobStore, owner: string, sums: Map<string, Counts>): Promise<string> {
  const { entries } = await store.list(keys.countersOf(owner));
  for (const { value } of entries) {
    const { queue, counts } = decodeCounter(value);
    sums.set(queue, added(sums.get(queue) ?? NO_COUNTS, counts));
  }
  return entries.map(({ key, version }) => `${key} ${version}`).join();
}

export async function readStats(js: JobStore, queue: string | undefined): Promise<StoredStats> {
  const [counts, states] = [await readCounts(js), await js.states.all()];
  const own = states.filter(({ name }) => queue === undefined || name === queue);
  const all = [...counts].filter(([name]) => queue === undefined || name === queue);
  const sum = all.reduce((total, [, one]) => added(total, one), NO_COUNTS);
  // Counters of several processes are read one after the other, so for a moment a difference can be below zero.
  const shown = (count: number): number => Math.max(0, count);
  return {
    pending: shown(sum.pending),
    delayed: shown(sum.delayed),
    reserved: shown(sum.reserved),
    failed: shown(sum.failed),
    completed: sum.completed,
    oldestPendingAt: sum.pending > 0 ? await oldestPending(js, queue) : undefined,
    paused: own.length > 0 && own.every(({ isPaused }) => isPaused),
  };
}

export async function waiting(js: JobStore): Promise<number> {
  return [...(await readCounts(js)).values()].reduce((sum, { pending, delayed }) => sum + pending + delayed, 0);
}

/** The first job of each priority has waited longest in it. */
async function oldestPending(js: JobStore, queue: string | undefined): Promise<number | undefined> {
  const of = queue === undefined ? "" : `${segmentOf(queue)}.`;
  const seen = new Set<string>();
  let oldest = Infinity;
  for (const marker of await js.shelves.markers("r", { of, limit: MARKERS })) {
    const group = groupOfReadyBucket(js.keys.bucketOf(marker.key));
    if (seen.has(group)) continue;
    const [first] = await js.shelves.entries(marker, { limit: 1 });
    if (first === undefined) continue;
    seen.add(group);
    oldest = Math.min(oldest, first.job.availableAt);
  }
  return oldest === Infinity ? undefined : oldest;
}

import type { CoordinationEntry, StoredStats } from "../../contract/index.ts";
import { added, type Counts, decodeCounter, NO_COUNTS } from "./counters.ts";
import type { Size } from "./backlog.ts";
import type { JobStore } from "./job-store.ts";
import { BASE, groupOfReadyBucket, segmentOf } from "./keys.ts";

/** Looks at counters while others add up those of dead processes; then they are as good as they can be. */
const LOOKS = 3;
/** Buckets that are looked at for the oldest job. */
const MARKERS = 256;

/** By queue: the sum over all processes, those that are gone included. */
export async function readCounts(js: JobStore): Promise<ReadonlyMap<string, Counts>> {
  return (await readCounters(js)).sums;
}

/** `entries`: of all counters, those of the processes that are gone first. */
export type Counters = Readonly<{ sums: ReadonlyMap<string, Counts>; entries: readonly CoordinationEntry[] }>;

export async function readCounters(js: JobStore): Promise<Counters> {
  for (let look = 1; ; look += 1) {
    const base = await countersOf(js, BASE);
    const entries = [...base];
    for (const owner of await js.owners.all()) entries.push(...(await countersOf(js, owner)));
    const isSame = versionsOf(base) === versionsOf(await countersOf(js, BASE));
    if (isSame || look >= LOOKS) return { sums: sumsOf(entries), entries };
  }
}

async function countersOf({ store, keys }: JobStore, owner: string): Promise<readonly CoordinationEntry[]> {
  return (await store.list(keys.countersOf(owner))).entries;
}

/** In which each change shows. */
export function versionsOf(entries: readonly CoordinationEntry[]): string {
  return entries.map(({ key, version }) => `${key} ${version}`).join();
}

function sumsOf(entries: readonly CoordinationEntry[]): ReadonlyMap<string, Counts> {
  const sums = new Map<string, Counts>();
  for (const { value } of entries) {
    const { queue, counts } = decodeCounter(value);
    sums.set(queue, added(sums.get(queue) ?? NO_COUNTS, counts));
  }
  return sums;
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

/** Of all queues. Processes of a version that counted no bytes may have taken jobs of others, or added up their counters: so bytes are never more or less than so many jobs can have. */
export async function waiting(js: JobStore): Promise<Size> {
  const { pending, delayed, bytes } = [...(await readCounts(js)).values()].reduce(added, NO_COUNTS);
  const jobs = Math.max(0, pending + delayed);
  return { jobs, bytes: Math.min(Math.max(0, bytes), jobs * js.room.valueBytes) };
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

import { type Counts, decodeCounter, encodeCounter, NO_COUNTS } from "./counters.ts";
import type { JobStore } from "./job-store.ts";
import { BASE } from "./keys.ts";
import { type Counters, readCounters, versionsOf } from "./statistics.ts";

/**
 * A process of a version that counted no bytes takes jobs of others without counting theirs, and drops them from the counters of processes that are gone. What is left of
 * that is taken away where no job waits in a queue, which proves how many bytes there are.
 */
export async function mendBytes(js: JobStore): Promise<void> {
  const first = await readCounters(js);
  if (wrongIn(first).length === 0) return;
  const again = await readCounters(js);
  // Counters are read one after the other. Where none has changed they were all so at the moment between.
  if (versionsOf(first.entries) !== versionsOf(again.entries)) return;
  for (const [queue, { bytes }] of wrongIn(again)) await takeAway(js, again, queue, bytes);
}

function wrongIn({ sums }: Counters): readonly (readonly [string, Counts])[] {
  return [...sums].filter(([, { pending, delayed, bytes }]) => pending === 0 && delayed === 0 && bytes !== 0);
}

/** From the counter of those that are gone, if nobody else has changed it. */
async function takeAway({ store, keys }: JobStore, { entries }: Counters, queue: string, bytes: number): Promise<void> {
  const key = keys.counter(BASE, queue, 0);
  const there = entries.find((entry) => entry.key === key);
  const unchanged =
    there === undefined ? ({ key, absent: true } as const) : { key, version: there.version, once: true };
  const { serial, counts } = there === undefined ? { serial: 0, counts: NO_COUNTS } : decodeCounter(there.value);
  const value = encodeCounter({ queue, serial: serial + 1, counts: { ...counts, bytes: counts.bytes - bytes } });
  await store.transact([unchanged], [{ put: key, value, once: true }]);
}

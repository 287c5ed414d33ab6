import type { JobStore } from "./job-store.ts";
import { STUCK_MS } from "./limits.ts";
import { toParked, toReady } from "./moves.ts";
import type { Shelved } from "./shelves.ts";
import { moving } from "./transactions.ts";

/** `next`: when its first job is due that is not due yet. */
type Bucket = Readonly<{ marker: Readonly<{ key: string; version: string }>; next: number | undefined }>;

/** Delayed jobs whose time has come, at most `max`, become ready in the order of their times. */
export async function promoteDue(js: JobStore, max: number): Promise<number> {
  if (js.delays.nextInMs > 0 || max <= 0) return 0;
  const life = await js.life();
  const { due, buckets } = await dueNow(js, max);
  const now = js.clock.now();
  const moves = due.map(({ key, version, job, isWhole }) => {
    const from = { key, version, counted: "delayed" } as const;
    return isWhole ? toReady(js, from, { ...job, availableAt: now }) : toParked(js, from, job);
  });
  let promoted = 0;
  let isStuck = false;
  for await (const { group, ok, isTooLarge } of moving(js, life, moves)) {
    if (ok) promoted += group.length;
    // Another process does the same. What it left is found by the next look.
    else if (!isTooLarge) return promoted;
    else isStuck = true;
    for (const move of isTooLarge ? group : []) tellStuck(js, due[moves.indexOf(move)]);
  }
  // Only when everything has moved: until then the buckets are due.
  for (const { marker, next } of buckets)
    await looked(js, marker, isStuck ? Math.min(next ?? Infinity, now + STUCK_MS) : next);
  return promoted;
}

function tellStuck(js: JobStore, one: Shelved | undefined): void {
  if (one !== undefined) js.stuck.met(one.key, one.job.id);
}

async function looked(js: JobStore, marker: Bucket["marker"], next: number | undefined): Promise<void> {
  if (next !== undefined) return js.delays.looked(marker.key, marker.version, next);
  await js.shelves.tidy({ ...marker, value: new Uint8Array() });
  js.delays.gone(marker.key, marker.version);
}

/** `buckets`: none where more is due than `max`. */
async function dueNow(
  js: JobStore,
  max: number,
): Promise<Readonly<{ due: readonly Shelved[]; buckets: readonly Bucket[] }>> {
  const now = js.clock.now();
  const due: Shelved[] = [];
  const buckets: Bucket[] = [];
  for (const marker of js.delays.due) {
    if (due.length >= max) break;
    const entries = await js.shelves.entries({ ...marker, value: new Uint8Array() });
    const next = entries.find(({ job }) => job.availableAt > now);
    due.push(...entries.filter(({ job }) => job.availableAt <= now));
    buckets.push({ marker, next: next?.job.availableAt });
  }
  const isWhole = due.length <= max;
  const sorted = due.toSorted((a, b) => a.job.availableAt - b.job.availableAt || (entryOf(a) < entryOf(b) ? -1 : 1));
  // What is left over is due still.
  return { due: sorted.slice(0, max), buckets: isWhole ? buckets : [] };
}

const entryOf = ({ key }: Shelved): string => key.slice(key.lastIndexOf("/") + 1);

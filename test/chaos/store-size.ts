/** What a store takes on its server's disk, minute by minute. */
import { setTimeout as pause } from "node:timers/promises";

export type Size = Readonly<{ tables: number; indexes: number }>;

const MINUTE_MS = 60_000;
/** When the store has its working size. */
const SETTLED_MINUTES = 10;
/** The size goes up and down between two vacuums: peaks of so many minutes are compared. */
const PEAK_MINUTES = 5;
const MOST_GROWTH = 1.2;

const megabytes = (bytes: number): string => (bytes / 1_048_576).toFixed(1);

/** Prints the size every minute until the signal fires. Resolves to what is wrong: a store that still grows after ten minutes. */
export async function watchSize(
  size: (() => Promise<Size>) | undefined,
  signal: AbortSignal,
): Promise<readonly string[]> {
  if (size === undefined) return [];
  const samples: (number | undefined)[] = [];
  for (let minute = 1; ; minute += 1) {
    await pause(MINUTE_MS, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) break;
    // A server that is down just now is asked again in a minute.
    const found = await size().catch(() => undefined);
    if (found === undefined) continue;
    samples[minute] = found.tables + found.indexes;
    console.error(`  minute ${minute}: tables ${megabytes(found.tables)} MiB, indexes ${megabytes(found.indexes)} MiB`);
  }
  const last = samples.at(-1);
  const tenth = samples[SETTLED_MINUTES];
  if (last !== undefined && tenth !== undefined && samples.length > SETTLED_MINUTES + 1)
    console.error(`  minute ${samples.length - 1} is ${(last / tenth).toFixed(2)} of minute ${SETTLED_MINUTES}`);
  return growthIn(samples);
}

/** `samples`: bytes by minute, from 1 on; some may be missing. What is wrong with them: peaks, because one minute may be just before a vacuum and the other just behind it. */
export function growthIn(samples: readonly (number | undefined)[]): readonly string[] {
  if (samples.length <= SETTLED_MINUTES + PEAK_MINUTES) return [];
  const settled = peak(samples.slice(SETTLED_MINUTES - PEAK_MINUTES + 1, SETTLED_MINUTES + 1));
  const last = peak(samples.slice(-PEAK_MINUTES));
  if (last <= MOST_GROWTH * settled) return [];
  return [`the store grew from ${megabytes(settled)} MiB up to minute ${SETTLED_MINUTES} to ${megabytes(last)} MiB`];
}

/** Of the samples that were had. */
function peak(samples: readonly (number | undefined)[]): number {
  return Math.max(0, ...samples.flatMap((sample) => sample ?? []));
}

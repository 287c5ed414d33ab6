/** What a store takes on its server's disk, minute by minute. */
import { setTimeout as pause } from "node:timers/promises";

export type Size = Readonly<{ tables: number; indexes: number }>;

const MINUTE_MS = 60_000;
/** When the store has its working size. */
const SETTLED_MINUTES = 10;
const MOST_GROWTH = 1.2;

const megabytes = (bytes: number): string => (bytes / 1_048_576).toFixed(1);

/** Prints the size every minute until the signal fires. Resolves to what is wrong: a store that still grows after ten minutes. */
export async function watchSize(
  size: (() => Promise<Size>) | undefined,
  signal: AbortSignal,
): Promise<readonly string[]> {
  if (size === undefined) return [];
  const samples: number[] = [];
  for (let minute = 1; ; minute += 1) {
    await pause(MINUTE_MS, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) break;
    // A server that is down just now is asked again in a minute.
    const found = await size().catch(() => undefined);
    if (found === undefined) continue;
    samples[minute] = found.tables + found.indexes;
    console.error(`  minute ${minute}: tables ${megabytes(found.tables)} MiB, indexes ${megabytes(found.indexes)} MiB`);
  }
  const settled = samples[SETTLED_MINUTES];
  const last = samples.at(-1);
  if (settled === undefined || last === undefined || last <= MOST_GROWTH * settled) return [];
  return [`the store grew from ${megabytes(settled)} MiB in minute ${SETTLED_MINUTES} to ${megabytes(last)} MiB`];
}

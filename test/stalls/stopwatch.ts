import { merged, type Span, timeIn } from "./spans.ts";
import { watchStalls } from "./watch-stalls.ts";

const stalls: Span[] = [];
let watching: Promise<() => Promise<void>> | undefined;

const now = (): number => Number(process.hrtime.bigint()) / 1e6;

/** Stalls of this process from the first call on. */
export async function stallsUntilNow(): Promise<readonly Span[]> {
  await (
    await (watching ??= watchStalls((stall) => void stalls.push(stall)))
  )();
  return merged(stalls);
}

/**
 * For bounds of what a program does in real time. Resolves to a function that tells how many milliseconds it took until now, without those in which this process
 * was not run, and with it, as a rule, everything else on the machine.
 */
export async function startStopwatch(): Promise<() => Promise<number>> {
  await stallsUntilNow();
  const from = now();
  return async () => {
    const until = now();
    return until - from - timeIn(await stallsUntilNow(), from, until);
  };
}

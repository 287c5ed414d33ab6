import type { Clock } from "../contract/index.ts";

/** Resolves after `delayMs`, or at once when `signal` fires; tells which. Never rejects. */
export function sleep(
  clock: Clock,
  delayMs: number,
  signal?: AbortSignal,
  options?: Readonly<{ keepAlive?: boolean }>,
): Promise<"elapsed" | "aborted"> {
  if (signal?.aborted) return Promise.resolve("aborted");
  return new Promise((resolve) => {
    const onAbort = (): void => {
      timer.cancel();
      resolve("aborted");
    };
    const timer = clock.timer(
      delayMs,
      () => {
        signal?.removeEventListener("abort", onAbort);
        resolve("elapsed");
      },
      options,
    );
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

/** Waits for `promise`, but no longer than `delayMs`. The promise goes on by itself and its rejection stays the caller's. */
export async function settledWithin(clock: Clock, promise: Promise<unknown>, delayMs: number): Promise<boolean> {
  const stop = new AbortController();
  try {
    return await Promise.race([
      promise.then(
        () => true,
        () => true,
      ),
      sleep(clock, delayMs, stop.signal).then(() => false),
    ]);
  } finally {
    stop.abort();
  }
}

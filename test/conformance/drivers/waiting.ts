import type { Clock, ReserveRequest, ReserveResult } from "../../../src/contract/index.ts";

type Wait = Readonly<{
  clock: Clock;
  request: ReserveRequest;
  /** Fires when the driver closes. */
  closing: AbortSignal;
  /** Calls back whenever there may be something; the returned function ends that. */
  subscribe: (wake: () => void) => () => void;
  /** How long a wake-up may be missed. */
  pollMs: number;
  claim: () => Promise<ReserveResult>;
}>;

/** Claims, and claims again whenever something may have come, until there is something or `waitMs` is over. */
export async function claimOrWait({ clock, request, closing, subscribe, pollMs, claim }: Wait): Promise<ReserveResult> {
  const end = clock.monotonic() + request.waitMs;
  const ended = (): boolean => closing.aborted || request.signal?.aborted === true;
  let wake = (): void => undefined;
  let woken = false;
  const unsubscribe = subscribe(() => {
    woken = true;
    wake();
  });
  try {
    for (;;) {
      woken = false;
      const result = await claim();
      const left = end - clock.monotonic();
      if (result.reservations.length > 0 || result.died.length > 0 || left <= 0 || ended()) return result;
      if (woken) continue;
      await new Promise<void>((resolve) => {
        const due = Math.max(1, Math.min(left, pollMs, result.nextDueInMs ?? Infinity));
        const timer = clock.timer(due, resolve);
        const stop = (): void => {
          timer.cancel();
          resolve();
        };
        wake = stop;
        closing.addEventListener("abort", stop, { once: true });
        request.signal?.addEventListener("abort", stop, { once: true });
      });
    }
  } finally {
    unsubscribe();
  }
}

import { checkSignal } from "../runtime/index.ts";
import type { Runner } from "./runner.ts";
import type { StopReason } from "./worker-events.ts";

/** Starts, waits until the runner has stopped, by itself or by the signal, and tells why. The signal counts during the start too. */
export async function runUntil(
  runner: Runner,
  signal: AbortSignal | undefined,
  stop: () => Promise<void>,
): Promise<StopReason> {
  checkSignal("signal", signal);
  const onAbort = (): void => {
    stop().catch(() => undefined); // `stopped` tells how it ends
  };
  const starting = runner.start();
  if (signal?.aborted) onAbort();
  else signal?.addEventListener("abort", onAbort, { once: true });
  try {
    await starting;
    return await runner.stopped;
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
}

import type { Clock, ReserveRequest, ReserveResult } from "../../contract/index.ts";

export const NOTHING: ReserveResult = { reservations: [], died: [], nextDueInMs: undefined };

export type Reserving = Readonly<{
  clock: Clock;
  closed: AbortSignal;
  /** `isOver`: what is taken then, nobody waits for. */
  look: (isOver: () => boolean) => Promise<ReserveResult>;
  wait: (first: ReserveResult, waitMs: number) => Promise<ReserveResult>;
}>;

/** One look at once; when it finds no job, a wait for the rest of the time. Whose look fails because the driver closes is told that nothing came. */
export async function lookThenWait(request: ReserveRequest, does: Reserving): Promise<ReserveResult> {
  const { max, signal, waitMs } = request;
  if (signal?.aborted || max <= 0) return NOTHING;
  const { clock, closed } = does;
  const started = waitMs > 0 ? clock.monotonic() : 0;
  const first = await does
    .look(() => signal?.aborted === true || closed.aborted)
    .catch((error: unknown) => {
      if (closed.aborted) return NOTHING;
      throw error;
    });
  if (waitMs <= 0 || first.reservations.length > 0) return first;
  return does.wait(first, Math.max(0, waitMs - (clock.monotonic() - started)));
}

import type { Clock } from "../contract/index.ts";
import { sleep } from "../runtime/index.ts";
import type { VirtualClock } from "./virtual-clock.ts";

/** How far the virtual clock may lag behind. */
const STEP_MS = 5;

/** Lets a virtual clock go on as `real` does, until `signal` fires. */
export async function keepUp(clock: VirtualClock, real: Clock, signal: AbortSignal): Promise<void> {
  const ahead = clock.monotonic() - real.monotonic();
  while ((await sleep(real, STEP_MS, signal)) === "elapsed")
    await clock.advance(Math.max(0, real.monotonic() + ahead - clock.monotonic()));
}

import type { Clock, CoordinationStore, WatchEvent } from "../../contract/index.ts";
import { sleep } from "../../runtime/index.ts";

const AGAIN_MS = 250;

/** Follows a prefix until the signal fires, and begins again when the store was away. */
export async function follow(
  store: CoordinationStore,
  clock: Clock,
  prefix: string,
  signal: AbortSignal,
  seen: (event: WatchEvent) => void,
): Promise<void> {
  while (!signal.aborted) {
    try {
      for await (const event of store.watch(prefix, { signal })) {
        if (signal.aborted) return;
        seen(event);
      }
    } catch {
      // Whoever calls meanwhile is told what is wrong; here it is tried again.
    }
    await sleep(clock, AGAIN_MS, signal, { keepAlive: false });
  }
}

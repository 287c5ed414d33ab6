import type { Clock } from "../../contract/index.ts";
import { sleep } from "../../runtime/index.ts";
import { isBusy } from "./errors.ts";

const MAX_PAUSE_MS = 10;

/**
 * Repeats what found the database locked, after short random times, without blocking the event loop. Reads need it too: while another process
 * recovers the WAL after a crash they find it locked.
 * @throws SQLite's error: another one at once, that of the lock after `forMs`.
 */
export async function whileBusy<T>(clock: Clock, forMs: number, attempt: () => T): Promise<T> {
  const deadline = clock.monotonic() + forMs;
  for (;;) {
    try {
      return attempt();
    } catch (error) {
      if (!isBusy(error) || clock.monotonic() >= deadline) throw error;
      await sleep(clock, 1 + clock.random() * MAX_PAUSE_MS);
    }
  }
}

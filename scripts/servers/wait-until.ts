import { setTimeout as delay } from "node:timers/promises";

const POLL = 10;
/** Elections on a busy machine take longer than 20 s. */
const WAIT = 60_000;

/** Asks until the answer is yes. A question that rejects means no. */
export async function waitUntil(what: string, question: () => Promise<boolean>, wait = WAIT): Promise<void> {
  await waitFor(what, async () => ((await question()) ? true : undefined), wait);
}

/** Looks until it is there. A look that rejects has not found it. */
export async function waitFor<Found>(
  what: string,
  look: () => Promise<Found | undefined>,
  wait = WAIT,
): Promise<Found> {
  const deadline = Date.now() + wait;
  let reason = "";
  while (Date.now() < deadline) {
    try {
      const found = await look();
      if (found !== undefined) return found;
    } catch (error) {
      reason = `: ${String(error)}`;
    }
    await delay(POLL);
  }
  throw new Error(`${what}: not so after ${wait} ms${reason}`);
}

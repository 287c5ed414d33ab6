import { setTimeout as delay } from "node:timers/promises";

const POLL = 10;

/** Asks until the answer is yes. A question that rejects means no. */
export async function waitUntil(what: string, question: () => Promise<boolean>, wait = 20_000): Promise<void> {
  const deadline = Date.now() + wait;
  let reason = "";
  while (Date.now() < deadline) {
    try {
      if (await question()) return;
    } catch (error) {
      reason = `: ${String(error)}`;
    }
    await delay(POLL);
  }
  throw new Error(`${what}: not so after ${wait} ms${reason}`);
}

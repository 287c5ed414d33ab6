import assert from "node:assert/strict";

/** How long, in real time, a busy machine may keep what must come. */
export const BUSY_MS = 10_000;
const TRIES = 5;

/**
 * What is late in every try is late. In real time one of a few has to be in time: a process that stalls runs its timers before it reads what has come
 * meanwhile. Virtual time does not stall: there the first counts.
 * `attempt`: what was late; undefined when nothing was.
 */
export async function oneInTime(
  { isVirtual }: Readonly<{ isVirtual: boolean }>,
  attempt: () => Promise<string | undefined>,
): Promise<void> {
  const late: string[] = [];
  while (late.length < (isVirtual ? 1 : TRIES)) {
    const found = await attempt();
    if (found === undefined) return;
    late.push(found);
  }
  assert.fail(late.join("; "));
}

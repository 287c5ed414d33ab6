import type { Clock } from "../../contract/index.ts";
import { sleep } from "../../runtime/index.ts";
import type { Draw } from "./drawing.ts";
import type { Session } from "./session.ts";

/** How long a pull waits for messages that were counted just before: others may have taken them. */
const STRAGGLERS_MS = 25;

/**
 * Takes so many messages that were counted just before. A full draw ends behind our back: nothing more can come, and nothing is acknowledged
 * before. One that is not full is cancelled only when what the server gave it has come: before 4.3 a message that meets its cancel counts as lost, and a
 * busy server may take longer than any time that could be guessed.
 */
export async function pull(
  session: Session,
  clock: Clock,
  queue: string,
  address: string,
  count: number,
  ended: AbortSignal,
): Promise<Draw> {
  const drawing = await session.pulling();
  const draw = await drawing.begin(queue, address, count);
  const full = draw.atLeast(draw.limit);
  if (!draw.isFull) {
    const over = new AbortController();
    const late = sleep(clock, STRAGGLERS_MS, AbortSignal.any([over.signal, ended]));
    await session.connection.orLost(Promise.race([full, late])).finally(() => over.abort());
  }
  if (!draw.isFull) await Promise.race([full, drawing.arrived(address)]);
  const end = draw.end();
  if (draw.isFull) end.catch(() => undefined);
  else await end;
  return draw;
}

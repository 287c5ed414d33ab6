import type { Clock } from "../../contract/index.ts";
import { sleep } from "../../runtime/index.ts";
import type { Connection } from "./connection.ts";

const RESOURCE_LOCKED = 405;
const FIRST_PAUSE_MS = 10;
const LONGEST_PAUSE_MS = 200;
/** A process that is stopped keeps the lock until the server misses its heartbeats: the others do not wait for that. */
const MOST_WAIT_MS = 6_000;

/**
 * Runs `declare` while no other connection does, as far as that can be had. The lock is an exclusive queue, which goes with its connection.
 *
 * Of two that declare a stream at once the second is told that it is there while the first is still making it, which takes as long as a second on a new server; and
 * a connection that reads such a stream is ended by the server (541, stream_not_found; seen on 3.10 and 4.0).
 */
export async function alone(
  connection: Connection,
  name: string,
  { clock, closing }: Readonly<{ clock: Clock; closing: AbortSignal }>,
  declare: () => Promise<void>,
): Promise<void> {
  const until = clock.monotonic() + MOST_WAIT_MS;
  let isMine = await isLocked(connection, name);
  for (let pauseMs = FIRST_PAUSE_MS; !isMine && clock.monotonic() < until && !closing.aborted;) {
    await sleep(clock, pauseMs * (0.5 + clock.random()), closing);
    pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
    isMine = await isLocked(connection, name);
  }
  try {
    await declare();
  } finally {
    // Where that fails the connection has gone, and the lock with it.
    if (isMine)
      await connection.ask("give the lock back", (channel) => channel.deleteQueue(name)).catch(() => undefined);
  }
}

async function isLocked(connection: Connection, name: string): Promise<boolean> {
  try {
    const options = { exclusive: true, durable: false, autoDelete: true };
    await connection.ask("lock a declaration", (channel) => channel.assertQueue(name, options));
    return true;
  } catch (error) {
    if (codeOf(error) === RESOURCE_LOCKED) return false;
    throw error;
  }
}

function codeOf(error: unknown): unknown {
  return typeof error === "object" && error !== null && "code" in error ? error.code : undefined;
}

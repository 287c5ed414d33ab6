import type { StoredStats } from "../../contract/index.ts";
import type { Connection } from "./connection.ts";
import { LEVELS } from "./ladder.ts";
import type { Names } from "./names.ts";
import type { Part } from "./registry.ts";
import { SHORT_LEVELS } from "./topology.ts";
import type { Topology } from "./topology.ts";

const NOT_FOUND = 404;
/** Passes of a clear: a job between two steps of the ladder is caught by the next. */
const PASSES = 5;

const levelsOf = (parts: ReadonlySet<Part> | undefined): number =>
  parts?.has("long") === true ? LEVELS : parts?.has("short") === true ? SHORT_LEVELS : 0;

/** Counts what is ready in the queues. AMQP tells no more: not what is held, and not what was done. */
export async function readStats(
  connection: Connection,
  names: Names,
  topology: Topology,
  queue: string | undefined,
): Promise<StoredStats> {
  const known = await topology.known(connection);
  const queues = queue === undefined ? known.keys() : [queue];
  let [pending, delayed, failed] = [0, 0, 0];
  for (const name of queues) {
    pending += await countOf(connection, names.live(name));
    failed += await countOf(connection, names.failed(name));
    const levels = levelsOf(known.get(name));
    for (let level = 0; level < levels; level += 1) delayed += await countOf(connection, names.level(name, level));
  }
  const unknown = { reserved: undefined, completed: undefined, oldestPendingAt: undefined };
  return { ...unknown, pending, delayed, failed, paused: false };
}

export async function countOf(connection: Connection, address: string): Promise<number> {
  return orNone(connection.ask("count", async (channel) => (await channel.checkQueue(address)).messageCount));
}

/** Down the ladder and then home, so that nothing climbs past; again until a pass finds nothing. */
export async function clearQueue(
  connection: Connection,
  names: Names,
  topology: Topology,
  queue: string,
): Promise<number> {
  const levels = levelsOf((await topology.known(connection)).get(queue));
  const addresses = Array.from({ length: levels }, (_, index) => names.level(queue, levels - 1 - index));
  let removed = 0;
  for (let pass = 0; pass < PASSES; pass += 1) {
    let now = 0;
    for (const address of [...addresses, names.live(queue)]) now += await purge(connection, address);
    removed += now;
    if (now === 0) break;
  }
  return removed;
}

export async function purge(connection: Connection, address: string): Promise<number> {
  return orNone(connection.ask("purge", async (channel) => (await channel.purgeQueue(address)).messageCount));
}

/** A queue that does not exist holds nothing. */
async function orNone(count: Promise<number>): Promise<number> {
  try {
    return await count;
  } catch (error) {
    if (typeof error === "object" && error !== null && "code" in error && error.code === NOT_FOUND) return 0;
    throw error;
  }
}

/**
 * Delays without a plugin: a ladder of queues, each with one TTL, 50 ms times a power of two. A job climbs down the steps whose bits are set in its delay
 * and is dead-lettered from one to the next, so any delay takes at most as many hops as it has bits. The TTL belongs to the queue, never to the
 * message: the first in such a queue is always the first to leave it.
 */
export const LEVELS = 24;
const UNIT_MS = 50;
/** A week: what the steps hold, rounded down to something to remember. */
export const MAX_DELAY_MS: number = 7 * 86_400_000;

export const ttlOf = (level: number): number => UNIT_MS * 2 ** level;

/** Rounded up: never early. */
export const unitsOf = (delayMs: number): number => Math.ceil(delayMs / UNIT_MS);

export const topLevel = (units: number): number => 31 - Math.clz32(units);

/** One word for each step, the highest first, then the queue's. */
export function routingKey(units: number, word: string): string {
  return `${units.toString(2).padStart(LEVELS, "0").split("").join(".")}.${word}`;
}

/** Jobs of this queue that lie on this step. */
export const levelPattern = (level: number, word: string): string => pattern(level, "1", word);

/** Jobs that do not. */
export const skipPattern = (level: number, word: string): string => pattern(level, "0", word);

function pattern(level: number, bit: "0" | "1", word: string): string {
  const words = Array.from({ length: LEVELS }, (_, index) => (index === LEVELS - 1 - level ? bit : "*"));
  return `${words.join(".")}.${word}`;
}

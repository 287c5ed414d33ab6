import type { Queue } from "../entry/index.ts";
import { usersQueues } from "./own-queues.ts";
import type { Terminal } from "./terminal.ts";

const MOST_NAMES = 20;

/** Nothing was found where a queue was named: a mistyped name looks like an empty queue. */
export async function noteMissing(terminal: Terminal, queue: Queue, names: readonly string[]): Promise<void> {
  const known = new Set(await queue.queues());
  const missing = names.filter((name) => !known.has(name));
  if (missing.length === 0) return;
  const others = (await usersQueues(queue)).toSorted().slice(0, MOST_NAMES);
  const list = others.length === 0 ? "There are none yet." : `Known: ${others.join(", ")}.`;
  terminal.note(`There is no queue ${missing.map((name) => `"${name}"`).join(", ")} so far. ${list}`, { missing });
}

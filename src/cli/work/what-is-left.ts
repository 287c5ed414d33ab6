import type { Queue, Queues } from "../../entry/index.ts";
import { jobCount } from "../job-count.ts";
import { usersQueues } from "../own-queues.ts";
import type { Terminal } from "../terminal.ts";

const MOST_NAMES = 20;

/** Whoever starts a worker to empty a queue must hear why it is not: jobs that are paused, delayed or held elsewhere, and a name that no queue has. */
export async function tellWhatIsLeft(terminal: Terminal, queue: Queue, queues: Queues): Promise<void> {
  const known = new Set(await queue.queues());
  const missing: string[] = [];
  for (const name of new Set(namesOf(queues))) {
    if (known.has(name)) await tellOf(terminal, queue, name);
    else missing.push(name);
  }
  if (missing.length === 0) return;
  const others = (await usersQueues(queue)).toSorted().slice(0, MOST_NAMES);
  const list = others.length === 0 ? "There are none yet." : `Known: ${others.join(", ")}.`;
  terminal.note(`There is no queue ${missing.map((name) => `"${name}"`).join(", ")} so far. ${list}`, { missing });
}

async function tellOf(terminal: Terminal, queue: Queue, name: string): Promise<void> {
  const { paused, pendingJobs = 0, delayedJobs = 0, reservedJobs = 0 } = await queue.getStats(name);
  if (paused && pendingJobs > 0) {
    const text = `Queue "${name}" is paused and holds ${jobCount(pendingJobs)} that nobody runs until "jobferry resume ${name}".`;
    terminal.warn(text, { queue: name, pendingJobs });
  }
  const left = [
    ...(delayedJobs > 0 ? [`${jobCount(delayedJobs)} delayed (retries included)`] : []),
    ...(reservedJobs > 0 ? [`${jobCount(reservedJobs)} held by other workers`] : []),
  ];
  if (left.length > 0)
    terminal.note(`Not waited for in queue "${name}": ${left.join("; ")}.`, { queue: name, delayedJobs, reservedJobs });
}

function namesOf(queues: Queues): readonly string[] {
  if (typeof queues === "string") return [queues];
  return Array.isArray(queues) ? queues : Object.keys(queues);
}

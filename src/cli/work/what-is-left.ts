import type { Queue, Queues } from "../../entry/index.ts";
import { jobCount } from "../job-count.ts";
import { noteMissing } from "../missing-queues.ts";
import type { Terminal } from "../terminal.ts";

/** Whoever starts a worker to empty a queue must hear why it is not: jobs that are paused, delayed or held elsewhere, and a name that no queue has. */
export async function tellWhatIsLeft(terminal: Terminal, queue: Queue, queues: Queues): Promise<void> {
  const names = [...new Set(namesOf(queues))];
  const known = new Set(await queue.queues());
  for (const name of names) if (known.has(name)) await tellOf(terminal, queue, name);
  await noteMissing(terminal, queue, names);
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

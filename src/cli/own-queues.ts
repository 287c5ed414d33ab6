import type { Queue } from "../entry/index.ts";

/**
 * The queues of the command line itself. Always the same: each run takes as many jobs as it pushed, and a server keeps the name of a queue
 * and its count of completed jobs for ever, a broker the queue itself. So they are left out wherever somebody looks at all queues.
 */
export const DOCTOR_QUEUE = "jobferry-doctor";
export const BENCH_QUEUE = "jobferry-bench";

/** Every queue but our own, which can still be asked for by name. */
export async function usersQueues(queue: Queue): Promise<readonly string[]> {
  const names = await queue.queues();
  return names.filter((name) => name !== DOCTOR_QUEUE && name !== BENCH_QUEUE);
}

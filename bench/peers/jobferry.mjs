import { createJob, createQueue, memoryQueue, Worker } from "../../dist/entry/index.js";

/** Jobferry on any backend: the same calls, the same worker. `workerOptions`: what a peer is tuned to as well. */
export function adapter(queue, workerOptions = {}) {
  return {
    queue,
    push: (payload, priority) =>
      queue.push(priority === undefined ? createJob(payload) : createJob(payload, { priority })),
    pushBulk: (payloads, priorityOf) =>
      queue.pushBatch(
        payloads.map((payload) =>
          priorityOf ? createJob(payload, { priority: priorityOf(payload) }) : createJob(payload),
        ),
      ),
    pushLater: (payloads, delay) => queue.pushBatch(payloads.map((payload) => createJob(payload, { delay }))),
    /** Resolves when every job is completed and the store has confirmed it. */
    async process({ concurrency, handler }) {
      const worker = new Worker(queue, "default", async (job) => handler(job.payload), {
        ...workerOptions,
        concurrency,
        stopWhenEmpty: true,
      });
      await worker.run();
    },
    /** Until the returned function is called; `confirmed` is told the number of ends that the store has accepted. */
    async work({ concurrency, handler, confirmed }) {
      const worker = new Worker(queue, "default", async (job) => handler(job.payload), {
        ...workerOptions,
        concurrency,
      });
      worker.on("completed", () => confirmed(1));
      await worker.start();
      return () => worker.stop();
    },
    /** The first `count` of a larger backlog. */
    async processSome({ concurrency, handler, count }) {
      const worker = new Worker(queue, "default", async (job) => handler(job.payload), {
        ...workerOptions,
        concurrency,
        maxJobs: count,
      });
      await worker.run();
    },
    async idleWorker(handler) {
      const worker = new Worker(queue, "default", async (job) => handler(job.payload), { concurrency: 1 });
      await worker.start();
      return () => worker.stop();
    },
    async left() {
      const { pendingJobs, delayedJobs, reservedJobs, failedJobs } = await queue.getStats();
      return pendingJobs + delayedJobs + reservedJobs + failedJobs;
    },
    close: () => queue.close(),
  };
}

/** On a server: its worker tells what was confirmed, so that the clock stops where it does for the peers. */
export function served(queue, workerOptions) {
  return { ...adapter(queue, workerOptions), process: undefined };
}

/** Jobs that our worker fetches ahead unless it is told otherwise. */
export const AHEAD_BY_ITSELF = "up to 200";

export const memoryCopy = { name: "jobferry", open: async () => adapter(memoryQueue()) };
export const memoryReference = { name: "jobferry copy:false", open: async () => adapter(memoryQueue({ copy: false })) };
export const sqlite = {
  name: "jobferry",
  open: async ({ folder }) => adapter(await createQueue(`sqlite:${folder}/jobs.db`)),
};

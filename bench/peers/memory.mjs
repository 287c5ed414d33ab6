import priorityQueue from "async/priorityQueue.js";
import fastq from "fastq";
import PQueue from "p-queue";

/** What waits is loaded while the peer is paused; then it is let go and counts down to its last confirmed job. */
function pausable({ create, add, pause, resume, drained, length }) {
  let handler;
  const run = async (payload) => handler(payload);
  let queue = create(1, run);
  pause(queue);
  return {
    push: (payload) => void add(queue, payload, run),
    pushBulk: (payloads) => {
      for (const payload of payloads) add(queue, payload, run);
    },
    async process({ concurrency, handler: given }) {
      handler = given;
      queue.concurrency = concurrency;
      const done = drained(queue);
      resume(queue);
      await done;
      pause(queue);
    },
    async idleWorker(given) {
      handler = given;
      resume(queue);
      return () => undefined;
    },
    left: () => length(queue),
    close: () => (queue = undefined),
  };
}

export const fastqPromise = {
  name: "fastq.promise",
  open: async () =>
    pausable({
      create: (concurrency, run) => fastq.promise(run, concurrency),
      add: (queue, payload) => void queue.push(payload),
      pause: (queue) => queue.pause(),
      resume: (queue) => queue.resume(),
      drained: (queue) => new Promise((resolve) => (queue.drain = resolve)),
      length: (queue) => queue.length() + queue.running(),
    }),
};

export const pQueue = {
  name: "p-queue",
  open: async () =>
    pausable({
      create: (concurrency) => new PQueue({ concurrency, autoStart: false }),
      add: (queue, payload, run) => void queue.add(() => run(payload)),
      pause: (queue) => queue.pause(),
      resume: (queue) => queue.start(),
      drained: (queue) => queue.onIdle(),
      length: (queue) => queue.size + queue.pending,
    }),
};

export const asyncPriorityQueue = {
  name: "async.priorityQueue",
  open: async () =>
    pausable({
      create: (concurrency, run) => priorityQueue(run, concurrency),
      add: (queue, payload) => void queue.push(payload, 0),
      pause: (queue) => queue.pause(),
      resume: (queue) => queue.resume(),
      drained: (queue) => new Promise((resolve) => queue.drain(resolve)),
      length: (queue) => queue.length() + queue.running(),
    }),
};

// Run by each supported Node.js in a project that installed the packed package.
import assert from "node:assert/strict";
import { createJob, createQueue, memoryQueue, Worker, WorkerPool } from "jobferry";
import { sqliteQueue } from "jobferry/sqlite";

async function work(queue) {
  await queue.pushBatch([1, 2, 3].map((n) => createJob({ n })));
  const done = [];
  const worker = new Worker(queue, "default", (job) => job.payload.n, { stopWhenEmpty: true });
  await worker.on("completed", ({ result }) => done.push(result)).run();
  assert.deepEqual(
    done.toSorted((a, b) => a - b),
    [1, 2, 3],
  );
}

async function pool(queue, isolation) {
  await queue.pushBatch([1, 2, 3].map((n) => createJob({ n }, { queue: isolation })));
  const done = [];
  const handlers = new URL("./handlers.ts", import.meta.url);
  const workers = new WorkerPool(queue, isolation, handlers, { isolation, workers: 2, stopWhenEmpty: true });
  await workers.on("completed", ({ result }) => done.push(result)).run();
  assert.deepEqual(
    done.toSorted((a, b) => a - b),
    [2, 4, 6],
  );
}

for (const queue of [memoryQueue(), sqliteQueue("smoke.db"), await createQueue("sqlite:other.db")]) {
  await work(queue);
  await pool(queue, "threads");
  await pool(queue, "processes");
  assert.equal((await queue.getStats()).completedJobs, 9);
  await queue.close();
}
console.log("smoke ok");

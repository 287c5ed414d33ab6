// Tests of a handler: one attempt by itself, then three retries over minutes of virtual time, in milliseconds of real time.
// #region testing
import assert from "node:assert/strict";
import { createJob, Worker } from "jobferry";
import { drain, runJob, testQueue } from "jobferry/testing";

let calls = 0;
async function flaky() {
  calls += 1;
  if (calls < 4) throw new Error("the mail server is away");
  return "sent";
}

const { queue, clock } = testQueue();
const worker = new Worker(queue, "default", flaky, { maxAttempts: 5, backoff: ["1m", "5m", "15m"] });
await queue.push(createJob({ to: "ann@example.org" }));
await drain(worker, queue, { clock, throughDelays: true });
assert.equal(calls, 4);
assert.equal((await queue.getStats()).completedJobs, 1);
await queue.close();

const attempt = await runJob(async () => "done", createJob({ to: "bob@example.org" }));
assert.deepEqual(attempt, { outcome: "completed", result: "done" });
// #endregion
console.log(`completed after ${calls} attempts, 21 virtual minutes`);

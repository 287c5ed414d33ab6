import { expect, test } from "vitest";
import { createJob, Worker } from "jobferry";
import { drain, testQueue } from "jobferry/testing";

async function threeRetries(): Promise<number> {
  const started = performance.now();
  const { queue, clock } = testQueue();
  let calls = 0;
  const worker = new Worker(
    queue,
    "default",
    async () => {
      calls += 1;
      if (calls < 4) throw new Error("away");
    },
    { maxAttempts: 5, backoff: ["1m", "5m", "15m"] },
  );
  await queue.push(createJob(1));
  await drain(worker, queue, { clock, throughDelays: true });
  expect(calls).toBe(4);
  expect((await queue.getStats()).completedJobs).toBe(1);
  await queue.close();
  return performance.now() - started;
}

test("three retries over 21 virtual minutes take under 10 ms", async () => {
  const times: number[] = [];
  for (let i = 0; i < 30; i += 1) times.push(await threeRetries());
  // The first ones compile; what else runs on the machine makes some slower, none faster.
  expect(Math.min(...times)).toBeLessThan(10);
});

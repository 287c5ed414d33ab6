import { setTimeout as delay } from "node:timers/promises";
import { createJob, memoryQueue, Worker } from "jobferry";
import { expect, test } from "vitest";
import { startStopwatch } from "../stalls/stopwatch.ts";

/** Timers that keep the process alive. */
const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length;

test("200 times started and stopped with jobs under way: none lost, none run twice to the end, nothing left behind", async () => {
  const before = timers();
  const queue = memoryQueue({ lease: "10s" });
  const COUNT = 4_000;
  await queue.pushBatch(Array.from({ length: COUNT }, (_, n) => createJob(n)));
  const ended = new Map<unknown, number>();
  for (let cycle = 0; cycle < 200; cycle += 1) {
    const handler = async (
      job: Readonly<{ payload: unknown }>,
      { signal }: Readonly<{ signal: AbortSignal }>,
    ): Promise<void> => {
      if (cycle % 2 === 0) await delay(cycle % 5, undefined, { signal });
      ended.set(job.payload, (ended.get(job.payload) ?? 0) + 1);
    };
    const worker = new Worker(queue, "default", handler, { concurrency: 1 + (cycle % 8), maxJobs: 18, timeout: "1m" });
    const starting = worker.start();
    if (cycle % 3 > 0) await starting;
    if (cycle % 7 === 0) await delay(1);
    await Promise.all([starting, worker.stop({ timeout: cycle % 4 === 0 ? 0 : "5s" })]);
  }
  expect(timers()).toBeLessThanOrEqual(before);
  const rest = new Worker(
    queue,
    "default",
    async (job) => void ended.set(job.payload, (ended.get(job.payload) ?? 0) + 1),
    {
      concurrency: 50,
      stopWhenEmpty: true,
    },
  );
  expect(await rest.run()).toBe("empty");
  expect(await queue.getStats()).toMatchObject({
    completedJobs: COUNT,
    pendingJobs: 0,
    reservedJobs: 0,
    failedJobs: 0,
  });
  expect(ended.size).toBe(COUNT);
  expect([...ended.values()].every((times) => times === 1)).toBe(true);
  await queue.close();
  expect(timers()).toBeLessThanOrEqual(before);
});

test("handlers that block the event loop without end let timers, limits and renewals have their turn", async () => {
  const queue = memoryQueue({ lease: "3s" });
  await queue.pushBatch(Array.from({ length: 12_000 }, (_, n) => createJob(n)));
  const block = (): void => {
    for (const end = performance.now() + 1; performance.now() < end;);
  };
  const lost: string[] = [];
  const worker = new Worker(queue, "default", block, { concurrency: 2, maxTime: 5_000 });
  worker.on("lost", ({ job }) => lost.push(job.id));
  const took = await startStopwatch();
  expect(await worker.run()).toBe("maxTime");
  expect(await took()).toBeLessThan(10_000); // 12 s when it does not yield
  expect(lost).toEqual([]);
  const { completedJobs = Number.NaN, pendingJobs = Number.NaN, reservedJobs } = await queue.getStats();
  expect(completedJobs).toBeGreaterThan(0);
  expect([completedJobs + pendingJobs, reservedJobs]).toEqual([12_000, 0]);
  await queue.close();
});

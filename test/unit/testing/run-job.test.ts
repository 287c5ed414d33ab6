import { expect, test } from "vitest";
import { setTimeout as sleep } from "node:timers/promises";
import { createJob, type JobContext, PermanentError, Worker } from "jobferry";
import { drain, runJob, testQueue, virtualClock } from "jobferry/testing";

test("without throughDelays a delayed job stays", async () => {
  const { queue, clock } = testQueue();
  await queue.push(createJob(1, { delay: "1h" }));
  await queue.push(createJob(2));
  await drain(new Worker(queue, "default", async () => undefined), queue, { clock });
  expect(await queue.getStats()).toMatchObject({ completedJobs: 1, delayedJobs: 1 });
  await expect(
    drain(new Worker(queue, "default", async () => undefined), queue, { throughDelays: true }),
  ).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
  });
  await queue.close();
});

test("one attempt: completed, retried, failed, released, no route", async () => {
  expect(
    await runJob(async (job) => [job.payload, job.attempts], createJob({ a: 1 }, { delay: "1h", queue: "mail" })),
  ).toEqual({
    outcome: "completed",
    result: [{ a: 1 }, 1],
  });
  const throws = async (): Promise<void> => Promise.reject(new Error("no"));
  expect(await runJob(throws, createJob(1), { backoff: "7s" })).toMatchObject({ outcome: "retried", retryInMs: 7_000 });
  expect(await runJob(throws, createJob(1, { maxAttempts: 1 }))).toMatchObject({
    outcome: "failed",
    error: { message: "no" },
  });
  const permanent = async (): Promise<void> => Promise.reject(new PermanentError("never"));
  expect(await runJob(permanent, createJob(1))).toMatchObject({ outcome: "failed" });
  expect(await runJob(async (_job, context) => context.snooze("1m"), createJob(1))).toEqual({ outcome: "released" });
  await expect(runJob([{ name: "mail", handler: async () => 1 }], createJob(1))).rejects.toMatchObject({
    code: "HANDLER_MISSING",
  });
});

const untilAborted = (_job: unknown, { signal }: JobContext): Promise<never> =>
  new Promise((_resolve, reject) =>
    signal.addEventListener("abort", () => reject(new Error("stopped")), { once: true }),
  );

test("an attempt's timeout passes in real time, and its end is judged as a worker judges it", async () => {
  const timedOut = { error: { code: "TIMEOUT" } };
  expect(await runJob(untilAborted, createJob(1, { timeout: 30 }), { backoff: "7s" })).toMatchObject({
    outcome: "retried",
    retryInMs: 7_000,
    ...timedOut,
  });
  const last = createJob(1, { delay: "1h", maxAttempts: 1 });
  expect(await runJob(untilAborted, last, { timeout: 30 })).toMatchObject({ ...timedOut, outcome: "failed" });
  const deaf = async (): Promise<never> => new Promise(() => undefined);
  expect(await runJob(deaf, createJob(1), { timeout: 10, abortGrace: 10 })).toMatchObject({
    outcome: "retried",
    ...timedOut,
  });
  let aborted = false;
  const late = async (_job: unknown, { signal }: JobContext): Promise<string> => {
    while (!signal.aborted) await sleep(5);
    aborted = true;
    return "done all the same";
  };
  expect(await runJob(late, createJob(1, { timeout: 30 }), { abortGrace: "1h" })).toEqual({
    outcome: "completed",
    result: "done all the same",
  });
  expect(aborted).toBe(true);
});

test("on a clock of the test a timeout passes when the test says so, and nothing else cuts a long handler short", async () => {
  const clock = virtualClock();
  const started = Promise.withResolvers<void>();
  const attempt = runJob(
    (job, context) => {
      started.resolve();
      return untilAborted(job, context);
    },
    createJob(1, { delay: "1h" }),
    { clock, timeout: "2h", maxAttempts: 1 },
  );
  await started.promise;
  expect(clock.monotonic()).toBe(3_600_000);
  await clock.advance("2h");
  expect(await attempt).toMatchObject({ outcome: "failed", error: { code: "TIMEOUT" } });
  expect(clock.monotonic()).toBe(3 * 3_600_000);
});

test("drain says so when jobs stay that the worker does not take, and still drains its own", async () => {
  const { queue, clock } = testQueue();
  await queue.push(createJob(1, { queue: "other" }));
  await queue.push(createJob(2));
  const worker = new Worker(queue, "default", async () => undefined);
  await expect(drain(worker, queue, { clock, throughDelays: true })).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
  });
  expect(worker.status).toBe("stopped");
  expect(await queue.getStats()).toMatchObject({ completedJobs: 1, pendingJobs: 1 });
  await queue.close();
});

test("a second drain with the same worker says that the first one stopped it", async () => {
  const { queue, clock } = testQueue();
  const worker = new Worker(queue, "default", async () => undefined);
  await drain(worker, queue, { clock });
  await queue.push(createJob(1));
  await expect(drain(worker, queue, { clock })).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    message: expect.stringMatching(/stopped before.*Make another Worker/) as string,
  });
  await drain(new Worker(queue, "default", async () => undefined), queue, { clock });
  expect(await queue.getStats()).toMatchObject({ completedJobs: 1 });
  await queue.close();
});

test("drain refuses a backend that cannot tell what is pending, instead of taking it for empty", async () => {
  const { queue, clock } = testQueue();
  await queue.push(createJob(1));
  const getStats = queue.getStats.bind(queue);
  queue.getStats = async () => ({ ...(await getStats()), pendingJobs: undefined });
  const worker = new Worker(queue, "default", async () => undefined);
  await expect(drain(worker, queue, { clock })).rejects.toMatchObject({ code: "UNSUPPORTED" });
  expect(worker.status).toBe("stopped");
  await queue.close();
});

test("drain passes through retries, snoozes and jobs that push others", async () => {
  const { queue, clock } = testQueue();
  const ran: string[] = [];
  const worker = new Worker(
    queue,
    "default",
    async (job, { snooze }) => {
      ran.push(`${String(job.payload)} ${clock.monotonic() / 60_000}`);
      if (job.payload === "snooze" && ran.length < 2) return snooze("10m");
      if (job.payload === "snooze") await queue.push(createJob("child", { delay: "1h" }));
      if (job.payload === "child" && job.attempts < 3) throw new Error("again");
      return "done";
    },
    { backoff: "5m" },
  );
  await queue.push(createJob("snooze"));
  await drain(worker, queue, { clock, throughDelays: true });
  expect(ran).toEqual(["snooze 0", "snooze 10", "child 70", "child 75", "child 80"]);
  await queue.close();
});

import fc from "fast-check";
import { createJob, type JobContext, PermanentError, Queue, Worker } from "jobferry";
import { type VirtualClock, virtualClock } from "jobferry/testing";
import { expect, test } from "vitest";
import type { FinishResult } from "../../src/contract/index.ts";
import { silentLogger, sleep } from "../../src/runtime/index.ts";
import { FakeDriver } from "../unit/core/fake-driver.ts";

/** What a handler does in one attempt; the last of a list is done ever after. */
const DEEDS = ["ok", "sync", "throw", "permanent", "retry", "snooze", "cancel", "slow", "deaf"] as const;
/** What a store does with one call. `mute`: done, but the answer never came. */
const FAULTS = ["none", "none", "none", "refuse", "mute", "slow", "partly"] as const;
type Deed = (typeof DEEDS)[number];
type Fault = (typeof FAULTS)[number];

const MAX_ATTEMPTS = 3;
const MAX_LOSSES = 3;
const LEASE_MS = 10_000;
const SLOTS = 3;

const scenario = fc.record({
  jobs: fc.array(fc.array(fc.constantFrom<Deed>(...DEEDS), { minLength: 1, maxLength: 4 }), {
    minLength: 1,
    maxLength: 12,
  }),
  faults: fc.array(fc.constantFrom<Fault>(...FAULTS), { maxLength: 40 }),
  /** Seconds at which extends begin and stop to fail. */
  away: fc.tuple(fc.integer({ min: 0, max: 30 }), fc.integer({ min: 0, max: 30 })),
  prefetch: fc.constantFrom<number | "auto">(0, 2, "auto"),
  stopAfterMs: fc.option(fc.integer({ min: 0, max: 20_000 })),
});

test("whatever handlers and the store do, each job ends once in completed or failed, within its limits", async () => {
  await fc.assert(
    fc.asyncProperty(scenario, (one) => check(one)),
    { numRuns: 150 },
  );
});

async function check({
  jobs,
  faults,
  away,
  prefetch,
  stopAfterMs,
}: typeof scenario extends fc.Arbitrary<infer T> ? T : never): Promise<void> {
  const clock = virtualClock();
  const driver = new FakeDriver();
  const faulty = beFaulty(driver, clock, [...faults], away);
  const queue = new Queue<string>(driver, {
    ...{ clock, logger: silentLogger, keepCompleted: true, lease: LEASE_MS },
    defaults: { maxAttempts: MAX_ATTEMPTS, maxLosses: MAX_LOSSES, backoff: 500 },
  });
  const ends: string[] = [];
  const runs = new Map<string, number>();
  const deaf = new Set<() => void>();
  const start = (): Readonly<{ worker: Worker; most: () => number }> => {
    let [running, most] = [0, 0];
    const handler = async (job: Readonly<{ id: string }>, context: JobContext): Promise<unknown> => {
      running += 1;
      most = Math.max(most, running);
      const run = runs.get(job.id) ?? 0;
      runs.set(job.id, run + 1);
      const deeds = jobs[Number(job.id)] ?? [];
      try {
        return await act(deeds[Math.min(run, deeds.length - 1)] ?? "ok", run, context, clock, deaf);
      } finally {
        running -= 1;
      }
    };
    const options = { concurrency: SLOTS, prefetch, timeout: "8s", abortGrace: "1s", stopTimeout: "2s" } as const;
    const worker = new Worker(queue as unknown as Queue, "default", handler, options);
    worker.on("completed", ({ job }) => ends.push(`${job.id} completed`));
    worker.on("dead", ({ job }) => ends.push(`${job.id} dead`));
    worker.on("error", () => undefined);
    return { worker, most: () => most };
  };

  await queue.pushBatch(jobs.map((_, n) => createJob(n, { id: `${n}` })));
  const workers = [start(), start()];
  for (const { worker } of workers) await worker.start();
  if (stopAfterMs !== null) {
    await clock.advance(stopAfterMs);
    const stopping = workers[0]?.worker.stop();
    await clock.advance("40s");
    await stopping;
  }
  await clock.advance("2m");
  faulty.end();
  for (let n = 0; n < 20; n += 1) {
    for (const settle of deaf) settle();
    await clock.advance("15s");
    const { pendingJobs, delayedJobs, reservedJobs } = await queue.getStats();
    if ([pendingJobs, delayedJobs, reservedJobs].every((count) => count === 0)) break;
  }

  expect(await queue.getStats()).toMatchObject({
    pendingJobs: 0,
    delayedJobs: 0,
    reservedJobs: 0,
    totalJobs: jobs.length,
  });
  for (const n of jobs.keys()) {
    const record = await queue.records.get(`${n}`);
    expect(["completed", "failed"]).toContain(record?.state);
    const { attempts = 0, losses = 0, exceptions = 0 } = record ?? {};
    expect(attempts - losses).toBeLessThanOrEqual(MAX_ATTEMPTS);
    expect(losses).toBeLessThanOrEqual(MAX_LOSSES);
    expect(exceptions).toBeLessThanOrEqual(MAX_ATTEMPTS);
    const code = record?.state === "failed" ? record.failure?.code : undefined;
    if (code === "HANDLER_FAILED" && !jobs[n]?.includes("permanent")) expect(attempts - losses).toBe(MAX_ATTEMPTS);
    if (code === "LEASE_EXPIRED") expect(losses).toBe(MAX_LOSSES);
    const told = ends.filter((line) => line.startsWith(`${n} `));
    expect(told.length).toBeLessThanOrEqual(1);
    if (told.length === 1) expect(told).toEqual([`${n} ${record?.state === "completed" ? "completed" : "dead"}`]);
  }
  for (const { most } of workers) expect(most()).toBeLessThanOrEqual(SLOTS);

  for (const { worker } of workers) {
    const stopping = worker.stop();
    await clock.advance("30s");
    await stopping;
  }
  const closing = queue.close();
  await clock.advance("30s");
  await closing;
  expect(clock.armed).toBe(0);
}

async function act(
  deed: Deed,
  run: number,
  context: JobContext,
  clock: VirtualClock,
  deaf: Set<() => void>,
): Promise<unknown> {
  switch (deed) {
    case "ok":
      await sleep(clock, 300);
      return "done";
    case "sync":
      return "done";
    case "throw":
      await sleep(clock, 100);
      throw new Error("thrown");
    case "permanent":
      throw new PermanentError("never");
    case "retry":
      return context.retry({ in: "700ms" });
    case "snooze":
      return run < 6 ? context.snooze("900ms") : "done";
    case "cancel":
      return context.cancel("not wanted");
    case "slow":
      await sleep(clock, 7_000, context.signal);
      return context.signal.aborted ? Promise.reject(context.signal.reason as Error) : "done";
    case "deaf":
      await new Promise<void>((resolve) => deaf.add(resolve));
      return "too late";
  }
}

function beFaulty(
  driver: FakeDriver,
  clock: VirtualClock,
  faults: Fault[],
  [awayFrom, awayFor]: readonly [number, number],
): Readonly<{ end: () => void }> {
  let over = false;
  const next = (): Fault => (over ? "none" : (faults.shift() ?? "none"));
  const through = async <T>(fault: Fault, real: () => Promise<T>): Promise<T> => {
    if (fault === "refuse") throw new Error("away");
    if (fault === "slow") await sleep(clock, 3_000);
    const result = await real();
    if (fault === "mute") throw new Error("the answer never came");
    return result;
  };
  // A claim whose answer is lost leaves leases that nobody holds: they run out.
  driver.script.reserve = (_request, real) => through(next(), real);
  driver.script.finish = async (items, real) => {
    const fault = next();
    const results = await through(fault, real);
    return fault === "partly" ? results.map((result, i): FinishResult => (i % 2 === 0 ? "unknown" : result)) : results;
  };
  driver.script.extend = async (items, real) => {
    const second = clock.monotonic() / 1_000;
    if (!over && second >= awayFrom && second < awayFrom + awayFor)
      throw new Error(`away, ${items.length} leases unheard`);
    return real();
  };
  return { end: () => (over = true) };
}

import { createJob, defineJob, type JobContext, PermanentError } from "jobferry";
import { expect, test, vi } from "vitest";
import { UnheardErrors } from "../../faults/unheard-errors.ts";
import { z } from "zod";
import { Held, stage } from "./stage.ts";

const boom = (): never => {
  throw new Error("boom");
};

test("whatever a handler is or does, each attempt ends once and no slot is lost or doubled", async () => {
  const { queue, clock, worker, heard, push, end } = stage();
  const wild: Record<string, (context: JobContext) => unknown> = {
    sync: () => 1,
    syncThrow: boom,
    rejects: () => Promise.reject(new Error("late")),
    throwsNothing: () => Promise.reject(undefined),
    twice: () => ({
      then(ok: (value: unknown) => void, bad: (error: unknown) => void) {
        ok("first");
        ok("second");
        bad(new Error("third"));
      },
    }),
    thenThrows: () => ({ then: boom }),
    thenGetter: () => Object.defineProperty({}, "then", { get: boom }),
    proxy: () => new Proxy({}, { has: boom }),
    proxyLater: async () => new Proxy({}, { has: (_target, key) => (key === "then" ? false : boom()) }),
    throwsProxy: () => {
      throw new Proxy({}, { get: boom, has: boom, getPrototypeOf: boom });
    },
    callable: () => Object.assign(() => undefined, { then: (ok: (value: unknown) => void) => ok("called") }),
  };
  const one = worker((job, context) => wild[job.id]?.(context), { concurrency: 2, maxAttempts: 1, prefetch: 4 });
  for (const id of Object.keys(wild)) await push(id);
  await one.start();
  await clock.advance(0);
  const good = ["sync", "twice", "callable", "proxyLater"];
  expect(await queue.getStats()).toMatchObject({
    completedJobs: good.length,
    failedJobs: 11 - good.length,
    reservedJobs: 0,
  });
  for (const id of Object.keys(wild)) {
    const ends = heard.filter((line) => line.startsWith(`completed ${id} `) || line.startsWith(`dead ${id} `));
    expect(ends, id).toHaveLength(1);
  }
  expect(heard).toContain("completed twice first");
  expect(heard).toContain("completed callable called");
  await end(one);
});

test("a slot that was freed twice would run more than `concurrency`", async () => {
  const { clock, worker, push, end } = stage();
  const held = new Held();
  const one = worker(
    (job, context) =>
      job.id === "twice" ? { then: (ok: (value: unknown) => void) => [ok(1), ok(2)] } : held.handler(job, context),
    { concurrency: 1 },
  );
  for (const id of ["twice", "a", "b", "c"]) await push(id);
  await one.start();
  await clock.advance(0);
  expect(held.started).toEqual(["a"]);
  await end(one);
});

test("backoff and shouldRetry that throw or return nonsense are told, and the attempt is judged without them", async () => {
  const { queue, clock, worker, heard, push, end } = stage();
  const backoff = vi.fn<(attempt: number) => number>((attempt) => (attempt === 1 ? boom() : Number.NaN));
  const one = worker(boom, { backoff, shouldRetry: boom, maxAttempts: 3 });
  await push("a");
  await one.start();
  await clock.advance("10s");
  expect(backoff).toHaveBeenCalledTimes(2);
  expect(heard.filter((line) => line === "error UNEXPECTED")).toHaveLength(5);
  expect(heard.filter((line) => line.startsWith("failed a boom"))).toHaveLength(3);
  expect(await queue.getStats()).toMatchObject({ failedJobs: 1 });
  await end(one);
});

test("backoff and shouldRetry that return a promise are told, and its rejection ends nothing", async () => {
  const { clock, worker, heard, push, end } = stage();
  using unheard = new UnheardErrors();
  const late = async (): Promise<never> => Promise.reject(new Error("late"));
  const one = worker(boom, { backoff: late as never, shouldRetry: late as never, maxAttempts: 2 });
  await push("a");
  await one.start();
  await clock.advance("10s");
  await new Promise((resolve) => setImmediate(resolve));
  expect(heard.filter((line) => line === "error UNEXPECTED")).toHaveLength(3);
  expect(heard.filter((line) => line.startsWith("failed a boom"))).toHaveLength(2);
  expect(unheard.all).toEqual([]);
  await end(one);
});

test.each([undefined, null, 0, "no"])(
  "shouldRetry that answers %o is told, and the attempt is judged without it",
  async (answer) => {
    const { clock, worker, heard, push, end } = stage();
    const one = worker(boom, { shouldRetry: () => answer as never, maxAttempts: 2 });
    const told: Error[] = [];
    one.on("error", ({ error }) => told.push(error));
    await push("a");
    await one.start();
    await clock.advance("10s");
    expect(heard.filter((line) => line.startsWith("failed a boom"))).toHaveLength(2);
    expect(told.map(({ message }) => message)).toEqual([
      expect.stringMatching(/^The worker's option shouldRetry failed, .* it must return true or false/),
      expect.stringContaining("it returned"),
    ]);
    await end(one);
  },
);

test("retry counts an attempt, snooze none, cancel is the end; a context may be taken apart", async () => {
  const { queue, clock, worker, heard, push, end } = stage();
  const seen: string[] = [];
  const one = worker(
    (job, { retry, snooze, cancel }) => {
      seen.push(`${job.id} ${job.attempts} ${job.exceptions}`);
      if (job.id === "retry") return retry({ in: "1s" });
      if (job.id === "snooze") return seen.filter((line) => line.startsWith("snooze")).length < 4 ? snooze("1s") : "up";
      return cancel("not wanted");
    },
    { maxAttempts: 2, maxExceptions: 1 },
  );
  for (const id of ["retry", "snooze", "cancel"]) await push(id);
  await one.start();
  await clock.advance("5s");
  expect(seen.filter((line) => line.startsWith("retry"))).toEqual(["retry 1 0", "retry 2 0"]);
  expect(seen.filter((line) => line.startsWith("snooze"))).toEqual(Array(4).fill("snooze 1 0"));
  expect(heard).toContain("dead cancel CANCELLED");
  expect(heard).toContain("completed snooze up");
  expect(heard.filter((line) => line.startsWith("failed snooze"))).toEqual([]);
  const { jobs } = await queue.records.list({ state: "failed" });
  expect(jobs.map(({ id, failure }) => [id, failure?.code])).toEqual([
    ["cancel", "CANCELLED"],
    ["retry", "HANDLER_FAILED"],
  ]);
  await end(one);
});

test("permanent errors, maxExceptions and maxAttempts each end a job; the job's own options come first", async () => {
  const { clock, worker, heard, push, end } = stage({}, { defaults: { maxAttempts: 9, maxExceptions: 8, backoff: 1 } });
  const runs: Record<string, number> = {};
  const one = worker(
    (job) => {
      runs[job.id] = job.attempts;
      if (job.id === "permanent") throw PermanentError.from(new RangeError("never"));
      throw new Error(job.id);
    },
    { maxAttempts: 4, shouldRetry: (error) => error.message !== "told" },
  );
  await push("permanent");
  await push("worker");
  await push("own", { maxAttempts: 2 });
  await push("exceptions", { maxExceptions: 3 });
  await push("told");
  await one.start();
  await clock.advance("1m");
  expect(runs).toEqual({ permanent: 1, worker: 4, own: 2, exceptions: 3, told: 1 });
  expect(heard).toContain("dead permanent never");
  await end(one);
});

test("retryUntil: no attempt is planned beyond it, and none starts after it", async () => {
  const { queue, clock, worker, heard, push, end } = stage();
  const runs: string[] = [];
  const fails = (job: Readonly<{ id: string }>): never => {
    runs.push(job.id);
    throw new Error("no");
  };
  await push("beyond", { retryUntil: "10s", backoff: "6s", maxAttempts: 9 });
  await push("late", { retryUntil: "1s", delay: "5s" });
  const one = worker(fails);
  await one.start();
  await clock.advance("30s");
  expect(runs).toEqual(["beyond", "beyond"]);
  expect(heard).toContain("dead late RETRY_EXPIRED");
  const { jobs } = await queue.records.list({ state: "failed" });
  expect(jobs.map(({ id, failure }) => [id, failure?.code, failure?.message])).toEqual([
    ["late", "RETRY_EXPIRED", expect.stringContaining("has passed")],
    ["beyond", "RETRY_EXPIRED", "no"],
  ]);
  await end(one);
});

test("a payload that does not fit its schema goes to failed at once, unseen by the handler", async () => {
  const { queue, clock, worker, heard, end } = stage();
  const route = defineJob({ name: "mail", payload: z.object({ to: z.string() }) });
  const handler = vi.fn<() => void>();
  await queue.push(createJob({ to: 7 }, { id: "bad", name: "mail", maxAttempts: 5 }));
  const one = worker([route.handle(handler)]);
  await one.start();
  await clock.advance("1m");
  expect(handler).not.toHaveBeenCalled();
  expect(heard).toEqual(["failed bad PAYLOAD_INVALID false", "dead bad PAYLOAD_INVALID"]);
  await end(one);
});

test("a store that cannot delay is not asked in a tight loop for a job that no route takes", async () => {
  const { driver, clock, worker, heard, push, end } = stage({
    delay: { support: "unsupported", precisionMs: 0, maxMs: 0 },
  });
  // Each answer takes longer than a wait that ends for nothing.
  driver.script.reserve = async (_request, real) => {
    await new Promise<void>((resolve) => void clock.timer(10, resolve));
    return real();
  };
  await push("stray", { name: "stray" });
  const one = worker([{ name: "known", handler: async () => 1 }], { unknownJobTimeout: "20s" });
  await one.start();
  await clock.advance("10s");
  expect(driver.reserved.length).toBeGreaterThan(10);
  expect(driver.reserved.length).toBeLessThan(100);
  await push("mine", { name: "known" });
  await clock.advance("1s");
  expect(heard).toContain("completed mine 1");
  await clock.advance("15s");
  expect(heard).toContain("dead stray HANDLER_MISSING");
  await end(one);
});

test("a name without a route is handed back, told when the store took it, and failed after unknownJobTimeout", async () => {
  const { queue, driver, clock, worker, heard, push, end } = stage();
  await push("stray", { name: "stray" });
  await push("known", { name: "known" });
  let answer: () => void = () => undefined;
  driver.script.finish = async (_items, real) => {
    await new Promise<void>((resolve) => (answer = resolve));
    return real();
  };
  const one = worker([{ name: "known", handler: async () => 1 }], { unknownJobTimeout: "10s" });
  await one.start();
  await clock.advance("1s");
  expect(heard).toEqual([]);
  delete driver.script.finish;
  answer();
  await clock.advance("8s");
  // Handed back at 1 s for 1 s, at 2 s for 2, at 4 s for 4, at 8 s for what is left.
  expect(heard.filter((line) => line === "unknown stray").length).toBe(4);
  expect((await queue.records.get("stray"))?.attempts).toBe(0);
  await clock.advance("5s");
  expect(heard).toContain("dead stray HANDLER_MISSING");
  expect(await queue.getStats()).toMatchObject({ completedJobs: 1, failedJobs: 1 });
  await end(one);
});

test("a delay beyond what the store keeps: refused when a handler asks, shortened when a backoff does", async () => {
  const { driver, clock, worker, heard, push, end } = stage({ delay: { maxMs: 10_000 } });
  const one = worker(
    (job, { snooze }) => {
      if (job.id === "snooze") return snooze("1h");
      throw new Error("again");
    },
    { backoff: "1h", maxAttempts: 2 },
  );
  await push("snooze");
  await push("throws");
  await one.start();
  await clock.advance("21s");
  expect(heard.filter((line) => line.startsWith("failed snooze UNSUPPORTED"))).toHaveLength(2);
  expect(heard).toContain("dead throws again");
  const delays = driver.finished.flat().flatMap((item) => (item.outcome === "release" ? [item.delayMs] : []));
  expect(Math.max(...delays)).toBe(10_000);
  await end(one);
});

test("a result that cannot be kept completes the job without it", async () => {
  const { queue, clock, worker, heard, push, end } = stage({}, { keepCompleted: true });
  const one = worker(() => ({ at: new Date(0) }));
  await push("a");
  await one.start();
  await clock.advance(0);
  expect(heard[0]).toBe("error PAYLOAD_INVALID");
  expect((await queue.records.get("a"))?.state).toBe("completed");
  await end(one);
});

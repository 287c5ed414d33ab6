import { expect, test } from "vitest";
import { createJob } from "jobferry";
import type { ReserveResult } from "../../../src/contract/index.ts";
import { during, Held, stage } from "./stage.ts";

const never = new Promise<never>(() => undefined);

test("a stop waits for running jobs, hands back what was fetched ahead, and leaves no timer", async () => {
  const { queue, clock, worker, heard, push } = stage();
  const held = new Held();
  const one = worker(held.handler, { prefetch: 2, maxTime: "1h", maxMemory: 2 ** 40, timeout: "1h" });
  for (const id of ["a", "b", "c"]) await push(id);
  await one.start();
  await clock.advance("5s"); // several looks at the memory
  const stopping = one.stop();
  await clock.advance("10s");
  expect(one.status).toBe("stopping");
  expect(await queue.getStats()).toMatchObject({ reservedJobs: 1, pendingJobs: 2 });
  held.end("a");
  await clock.advance(0);
  await stopping;
  expect(heard).toEqual(["completed a done", "stopped stopped 0"]);
  expect((await queue.records.get("b"))?.attempts).toBe(0);
  await during(clock, queue.close());
  expect(clock.armed).toBe(0);
});

test("after its timeout a stop aborts with SHUTDOWN, gives abortGrace, then hands back without the attempt", async () => {
  const { queue, clock, worker, heard, push } = stage();
  const held = new Held();
  const one = worker(held.handler, { concurrency: 3, stopTimeout: "10s", abortGrace: "5s" });
  for (const id of ["obeys", "ends", "deaf"]) await push(id);
  await one.start();
  await clock.advance(0);
  const stopping = one.stop();
  await clock.advance("9s");
  expect(held.aborted.size).toBe(0);
  await clock.advance("2s");
  expect([...held.aborted.values()]).toEqual(["SHUTDOWN", "SHUTDOWN", "SHUTDOWN"]);
  held.end("obeys", () => {
    throw new Error("stopped by the signal");
  });
  held.end("ends");
  await clock.advance("5s");
  await stopping;
  expect(heard).toEqual(["completed ends done", "stuck deaf", "stopped stopped 2"]);
  for (const id of ["obeys", "deaf"])
    expect(await queue.records.get(id), id).toMatchObject({ state: "pending", attempts: 0 });
  held.end("deaf");
  await clock.advance(0);
  expect((await queue.getStats()).completedJobs).toBe(1);
  await during(clock, queue.close());
  expect(clock.armed).toBe(0);
});

test("a second stop with a shorter timeout cuts the wait short, a longer one does not prolong it", async () => {
  const { queue, clock, worker, push } = stage();
  const held = new Held();
  const one = worker(held.handler, { abortGrace: 0 });
  await push("a");
  await one.start();
  await clock.advance(0);
  const stops = [one.stop({ timeout: "1h" }), one.stop({ timeout: "2h" })];
  await clock.advance("10s");
  expect(held.aborted.size).toBe(0);
  stops.push(one.stop({ timeout: "1s" }));
  await clock.advance("2s");
  await Promise.all(stops);
  expect(one.status).toBe("stopped");
  await one.stop();
  await during(clock, queue.close());
  expect(clock.armed).toBe(0);
});

test("a handler that is stuck already does not hold up a stop", async () => {
  const { clock, worker, heard, push, end } = stage();
  const held = new Held();
  const one = worker(held.handler, { timeout: "1s", abortGrace: "1s", maxAttempts: 1 });
  await push("stuck");
  await one.start();
  await clock.advance("3s");
  const stopping = one.stop();
  await clock.advance(0);
  await stopping;
  expect(heard.at(-1)).toBe("stopped stopped 0");
  await end(one);
});

test("what a fetch under way still brings is handed back", async () => {
  const { queue, driver, clock, worker, push } = stage();
  let bring: () => void = () => undefined;
  driver.script.reserve = async (_request, real): Promise<ReserveResult> => {
    await new Promise<void>((resolve) => (bring = resolve));
    return real();
  };
  const held = new Held();
  const one = worker(held.handler);
  await push("late");
  await one.start();
  await clock.advance(0);
  const request = driver.reserved[0];
  const stopping = one.stop();
  await clock.advance("1s");
  expect(request?.signal?.aborted).toBe(true);
  // A driver that does not hear the signal in time: the claim had been sent.
  driver.script.reserve = undefined as never;
  Object.defineProperty(request, "signal", { value: undefined });
  bring();
  await clock.advance("1s");
  await stopping;
  expect(held.started).toEqual([]);
  expect(await queue.records.get("late")).toMatchObject({ state: "pending", attempts: 0 });
  await during(clock, queue.close());
});

test("a store that answers nothing any more does not hang a stop", async () => {
  const { driver, clock, worker, push } = stage();
  const held = new Held();
  const one = worker(held.handler, { concurrency: 2 });
  await push("a");
  driver.onMaintain = () => never;
  await one.start();
  await clock.advance("1m");
  driver.script.finish = () => never;
  driver.script.reserve = () => never;
  held.end("a");
  await clock.advance(0);
  const stopping = one.stop({ timeout: "1s" });
  await clock.advance("10s");
  await stopping;
  expect(one.status).toBe("stopped");
});

test("a stop while the store is away ends by stopTimeout, abortGrace and ten seconds; what it could not tell the store is told when that is back", async () => {
  const { queue, driver, clock, worker, heard, push } = stage();
  const held = new Held();
  const one = worker(held.handler, { concurrency: 2, stopTimeout: "20s", abortGrace: "5s", lease: "2m" });
  for (const id of ["deaf", "ends"]) await push(id);
  await one.start();
  await clock.advance(0);
  const away = async (): Promise<never> => Promise.reject(new Error("away"));
  Object.assign(driver.script, { reserve: away, finish: away, extend: away });
  driver.onMaintain = away;
  held.end("ends");
  const stopping = one.stop();
  await clock.advance("35s");
  await stopping;
  expect(heard.filter((line) => !line.startsWith("error"))).toEqual(["stuck deaf", "stopped stopped 1"]);
  for (const call of ["reserve", "finish", "extend"] as const) delete driver.script[call];
  await clock.advance("2m");
  expect(await queue.getStats()).toMatchObject({ pendingJobs: 1, reservedJobs: 0, completedJobs: 1 });
});

test("a stop during a start that hangs ends both; what opens later starts nothing", async () => {
  const { queue, driver, clock, worker, heard, push } = stage();
  let opened: () => void = () => undefined;
  driver.script.open = async (real) => {
    await new Promise<void>((resolve) => (opened = resolve));
    return real();
  };
  const held = new Held();
  const one = worker(held.handler);
  const starting = one.start();
  await clock.advance(0);
  expect(one.status).toBe("starting");
  const stopping = one.stop();
  await clock.advance(0);
  await Promise.all([starting, stopping]);
  expect(heard).toEqual(["stopped stopped 0"]);
  delete driver.script.open;
  opened();
  await push("a");
  await clock.advance("1m");
  expect(held.started).toEqual([]);
  expect(one.status).toBe("stopped");
  await during(clock, queue.close());
  expect(clock.armed).toBe(0);
});

test("a start that failed may be tried again; one that was stopped or runs may not", async () => {
  const { driver, clock, worker, end } = stage();
  driver.script.open = async () => {
    throw new Error("away");
  };
  const one = worker(async () => 1);
  await expect(one.start()).rejects.toMatchObject({ code: "UNAVAILABLE" });
  delete driver.script.open;
  await one.start();
  await expect(one.start()).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  await end(one);
  const other = worker(async () => 1);
  await during(clock, other.stop());
  await expect(other.start()).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    message: expect.stringContaining("stopped"),
  });
});

test("run() ends with its signal, before, during and after the start", async () => {
  for (const when of ["before", "during", "after"]) {
    const { queue, driver, clock, worker } = stage();
    if (when === "during") driver.script.open = () => never;
    const stop = new AbortController();
    if (when === "before") stop.abort();
    const running = worker(async () => 1).run(stop.signal);
    await clock.advance(0);
    stop.abort();
    await clock.advance(0);
    expect(await running, when).toBe("signal");
    await during(clock, queue.close());
    expect(clock.armed, when).toBe(0);
  }
});

test("an error from the store during the start rejects run()", async () => {
  const { driver, worker } = stage();
  driver.script.open = async () => {
    throw new Error("away");
  };
  await expect(worker(async () => 1).run()).rejects.toMatchObject({ code: "UNAVAILABLE" });
});

test("200 times started and stopped with jobs under way: each job completes once, and no timer is left", async () => {
  const { queue, clock, worker } = stage();
  const done = new Map<string, number>();
  await queue.pushBatch(Array.from({ length: 400 }, (_, n) => createJob(n, { id: `${n}` })));
  await clock.advance("11s"); // past the deadline of the push
  for (let cycle = 0; cycle < 200; cycle += 1) {
    const one = worker(
      async (job, { signal }) => {
        await Promise.resolve();
        if (cycle % 3 === 0 && cycle < 180)
          await new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("stopped"))));
        done.set(job.id, (done.get(job.id) ?? 0) + 1);
      },
      { concurrency: 1 + (cycle % 4), prefetch: cycle % 5, maxJobs: 2 + (cycle % 7), abortGrace: 10 },
    );
    await one.start();
    if (cycle % 2 === 0) await clock.advance(0);
    await during(clock, one.stop({ timeout: 0 }));
    expect(clock.armed, `after cycle ${cycle}`).toBe(0);
  }
  const last = worker(async (job) => void done.set(job.id, (done.get(job.id) ?? 0) + 1), { stopWhenEmpty: true });
  expect(await during(clock, last.run())).toBe("empty");
  expect(await queue.getStats()).toMatchObject({ completedJobs: 400, pendingJobs: 0, reservedJobs: 0, failedJobs: 0 });
  expect([...done.values()].every((times) => times === 1)).toBe(true);
  expect(done.size).toBe(400);
  await during(clock, queue.close());
  expect(clock.armed).toBe(0);
});

test("a queue that is closed while the worker starts ends it", async () => {
  const { queue, clock, worker, heard } = stage();
  await queue.open();
  const one = worker(() => undefined);
  const running = one.run();
  const closing = queue.close();
  expect(await during(clock, running)).toBe("closed");
  await during(clock, closing);
  expect(heard).toEqual(["stopped closed 0"]);
  expect(clock.armed).toBe(0);
});

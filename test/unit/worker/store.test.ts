import { expect, test } from "vitest";
import type { FinishResult, ReserveResult } from "../../../src/contract/index.ts";
import { Worker } from "../../../src/worker/index.ts";
import type { Queue } from "../../../src/core/index.ts";
import { during, Held, stage } from "./stage.ts";

const NOTHING: ReserveResult = { reservations: [], died: [], nextDueInMs: undefined };

test("a store that is away is asked again, ever slower, told each time, and work goes on when it is back", async () => {
  const { driver, clock, worker, heard, push, end } = stage();
  driver.script.reserve = async () => {
    throw new Error("away");
  };
  const one = worker(async () => "ok");
  await one.start();
  await clock.advance("1m");
  const errors = heard.length;
  expect(heard.every((line) => line === "error UNAVAILABLE")).toBe(true);
  expect(errors).toBeGreaterThan(15);
  expect(errors).toBeLessThan(60);
  delete driver.script.reserve;
  await push("a");
  await clock.advance("3s");
  expect(heard.at(-1)).toBe("completed a ok");
  await end(one);
});

test("where nobody listens to error, a store that is away is logged at once, then ever less often, and again when it goes anew", async () => {
  const { queue, driver, clock, lines, push } = stage();
  const away = async (): Promise<never> => {
    throw new Error("away");
  };
  driver.script.reserve = away;
  const one = new Worker(queue as unknown as Queue, "default", async () => "ok");
  await one.start();
  await clock.advance("1m");
  const told = lines.map(({ message }) => message);
  expect(told[0]).toMatch(/^reserve on \w+ failed: away$/);
  expect(told.slice(1).every((line) => /failed: away \(\d+ times within \d+ s\)$/.test(line))).toBe(true);
  expect(told.length).toBe(3);
  delete driver.script.reserve;
  await push("a");
  await clock.advance("2m");
  driver.script.reserve = away;
  await clock.advance("31s"); // the fetch that waits ends first
  expect(lines[3]?.message).toBe(told[0]);
  await during(clock, one.stop({ timeout: 0 }));
  await during(clock, queue.close());
});

test("events come after the store has answered, and one finish that it does not answer holds up no other", async () => {
  const { queue, driver, clock, worker, heard, push, end } = stage();
  driver.script.finish = async (items, real) => {
    const answers = await real();
    return items.map(({ reservation }, i): FinishResult =>
      reservation.job.id === "mute" ? "unknown" : (answers[i] ?? "unknown"),
    );
  };
  const one = worker(async () => "ok", { concurrency: 4, lease: "30s" });
  for (const id of ["a", "mute", "b"]) await push(id);
  await one.start();
  await clock.advance("1s");
  expect(heard).toEqual(["completed a ok", "completed b ok"]);
  await push("c");
  await clock.advance("1s");
  expect(heard.at(-1)).toBe("completed c ok");
  await clock.advance("40s");
  expect(heard.slice(3)).toEqual(["error FINISH_UNKNOWN"]);
  expect((await queue.getStats()).completedJobs).toBe(4); // its end had been stored
  await end(one);
});

test("no event before the store's answer", async () => {
  const { driver, clock, worker, heard, push, end } = stage();
  let answer: () => void = () => undefined;
  driver.script.finish = async (_items, real) => {
    await new Promise<void>((resolve) => (answer = resolve));
    return real();
  };
  const one = worker((job) => (job.id === "bad" ? Promise.reject(new Error("no")) : 1), {
    maxAttempts: 1,
    concurrency: 2,
  });
  await push("good");
  await push("bad");
  await one.start();
  await clock.advance("5s");
  expect(heard).toEqual([]);
  delete driver.script.finish;
  answer();
  await clock.advance(0);
  expect(heard).toEqual(["completed good 1", "failed bad no false", "dead bad no"]);
  await end(one);
});

test("while too many ends are unconfirmed nothing more is fetched", async () => {
  const { queue, driver, clock, worker, push, end } = stage();
  driver.script.finish = () => new Promise(() => undefined);
  let runs = 0;
  for (let n = 0; n < 3_000; n += 1) await push(`${n}`);
  const one = worker(() => (runs += 1), { concurrency: 10 });
  await one.start();
  await clock.advance("1s");
  expect(runs).toBeGreaterThanOrEqual(1_000);
  expect(runs).toBeLessThanOrEqual(1_300); // a fetch under way, at most 210
  expect((await queue.getStats()).reservedJobs).toBe(runs);
  delete driver.script.finish;
  await end(one);
});

test("a store that wakes for nothing is not asked in a tight loop", async () => {
  const { driver, clock, worker, push, heard, end } = stage();
  driver.script.reserve = async () => NOTHING;
  const one = worker(async () => "ok");
  await one.start();
  await clock.advance("1m");
  expect(driver.reserved.length).toBeLessThan(300);
  delete driver.script.reserve;
  await push("a");
  await clock.advance("1s");
  expect(heard).toEqual(["completed a ok"]);
  await end(one);
});

test("jobs that never wait for anything outside do not keep the event loop from turning", async () => {
  const { worker, push, end } = stage();
  for (let n = 0; n < 2_000; n += 1) await push(`${n}`);
  let runs = 0;
  let turnAt: number | undefined;
  const one = worker(async () => (runs += 1), { prefetch: 0 });
  await one.start();
  await new Promise<void>((resolve) => setImmediate(resolve));
  turnAt = runs;
  expect(turnAt).toBeGreaterThan(0);
  expect(turnAt).toBeLessThan(2_000);
  await end(one);
});

test("a queue that is closed under it stops the worker, which says so", async () => {
  const { queue, clock, worker, heard, push } = stage();
  const held = new Held();
  const one = worker(held.handler);
  await push("a");
  await one.start();
  await clock.advance(0);
  await during(clock, queue.close());
  await clock.advance("30s");
  expect(held.aborted.get("a")).toBe("SHUTDOWN");
  expect(one.status).toBe("stopped");
  expect(heard.at(-1)).toMatch(/^stopped closed/);
  expect(clock.armed).toBe(0);
});

test("jobs that the store itself failed are told as dead", async () => {
  const { clock, queue, worker, heard, push, end } = stage();
  await push("poison", { maxLosses: 1 });
  await queue.pop({ lease: 100 });
  await clock.advance("1s");
  const one = worker(async () => 1);
  await one.start();
  await clock.advance("30s");
  expect(heard).toEqual(["dead poison LEASE_EXPIRED"]);
  await end(one);
});

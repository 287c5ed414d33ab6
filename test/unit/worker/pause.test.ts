import { expect, test } from "vitest";
import type { ReserveResult } from "../../../src/contract/index.ts";
import { Held, stage } from "./stage.ts";

test("a paused worker lets running jobs go on, hands back what was fetched ahead and takes nothing until resumed", async () => {
  const { queue, clock, worker, push, end } = stage();
  const held = new Held();
  const one = worker(held.handler, { concurrency: 1, prefetch: 2 });
  for (const id of ["a", "b", "c"]) await push(id);
  await one.start();
  await clock.advance(0);
  one.pause();
  held.end("a");
  await clock.advance("1m");
  expect(held.started).toEqual(["a"]);
  expect(await queue.getStats()).toMatchObject({ completedJobs: 1, pendingJobs: 2, reservedJobs: 0 });
  one.resume();
  await clock.advance(0);
  expect(held.started).toEqual(["a", "b"]);
  expect((await queue.records.get("b"))?.attempts).toBe(1);
  await end(one);
});

test("what a fetch that was under way brings after a pause goes back at once", async () => {
  const { queue, driver, clock, worker, push, end } = stage();
  let bring: () => void = () => undefined;
  driver.script.reserve = async (request): Promise<ReserveResult> => {
    await new Promise<void>((resolve) => (bring = resolve));
    // It had claimed before it heard of the abort.
    return FakeReserve(request.leaseMs);
  };
  const inner = driver.script.reserve;
  const FakeReserve = async (leaseMs: number): Promise<ReserveResult> => {
    driver.script.reserve = undefined as never;
    const result = await driver.reserve({ queues: ["default"], max: 1, leaseMs, waitMs: 0 });
    driver.script.reserve = inner;
    return result;
  };
  const held = new Held();
  const one = worker(held.handler);
  await push("a");
  await one.start();
  await clock.advance(0);
  one.pause();
  bring();
  await clock.advance(0);
  expect(held.started).toEqual([]);
  expect(await queue.getStats()).toMatchObject({ pendingJobs: 1, reservedJobs: 0 });
  driver.script.reserve = undefined as never;
  one.resume();
  await clock.advance(0);
  expect(held.started).toEqual(["a"]);
  await end(one);
});

test("a queue paused anywhere: jobs fetched ahead of it are back within a second, those of others stay", async () => {
  const { queue, driver, clock, worker, push, end } = stage();
  const held = new Held();
  const one = worker(held.handler, { prefetch: 4 }, ["paused", "other"]);
  await push("p1", { queue: "paused" });
  await push("p2", { queue: "paused" });
  await push("o1", { queue: "other" });
  await one.start();
  await clock.advance("3s");
  // A look that fails must not be the last one.
  driver.onStats = () => Promise.reject(new Error("away"));
  await clock.advance("2s");
  driver.onStats = undefined;
  await queue.pause("paused");
  await clock.advance("1100ms");
  expect(await queue.getStats("paused")).toMatchObject({ pendingJobs: 1, reservedJobs: 1 });
  expect(await queue.getStats("other")).toMatchObject({ reservedJobs: 1 });
  held.end("p1");
  await clock.advance(0);
  expect(held.started).toEqual(["p1", "o1"]);
  await queue.resume("paused");
  held.end("o1");
  await clock.advance(0);
  expect(held.started).toEqual(["p1", "o1", "p2"]);
  await end(one);
});

test("short jobs that were fetched ahead by guess do not wait here behind a long one", async () => {
  const { queue, clock, worker, push, end } = stage();
  const held = new Held();
  const one = worker((job, context) => (job.id === "long" ? held.handler(job, context) : "short"));
  for (let n = 0; n < 300; n += 1) await push(`s${n}`);
  await push("long");
  for (let n = 300; n < 320; n += 1) await push(`s${n}`);
  await one.start();
  await clock.advance("500ms");
  expect(await queue.getStats()).toMatchObject({ completedJobs: 300, reservedJobs: 21 });
  await clock.advance("2s");
  expect(await queue.getStats()).toMatchObject({ pendingJobs: 20, reservedJobs: 1 });
  held.end("long");
  await clock.advance(0);
  expect((await queue.getStats()).completedJobs).toBe(321);
  await end(one);
});

import { describe, expect, it } from "vitest";
import { createJob, isJobferryError } from "../../../src/entry/index.ts";
import { CHILDREN, eventually, Stage, startsIn } from "./stage.ts";

describe.each(CHILDREN)("a handler that blocks its event loop in a pool of %s", (isolation) => {
  it("stops no renewal: longer than its lease, nothing is lost and nothing runs twice", async () => {
    await using stage = new Stage(isolation, { workers: 2, concurrency: 3, lease: 3_000 });
    await stage.pool.start();
    const log = stage.log("blocked");
    await stage.push("block", { ms: 5_000, log });
    for (let i = 0; i < 5; i += 1) await stage.push("sleep", 800);
    const { completed, lost, error } = await stage.until((told) => told.completed.length === 6);
    expect(completed.map(({ job }) => job.attempts)).toEqual([1, 1, 1, 1, 1, 1]);
    expect(startsIn(log)).toHaveLength(1);
    expect(lost).toEqual([]);
    expect(error).toEqual([]);
    expect(await stage.queue.getStats()).toMatchObject({ completedJobs: 6, totalJobs: 6 });
  });

  it("is killed by its timeout; those beside it come back, and another child takes its place", async () => {
    await using stage = new Stage(isolation, { workers: 1, concurrency: 3, abortGrace: 50 });
    await stage.pool.start();
    const before = await stage.result("where");
    const log = stage.log("blocked");
    const block = createJob({ ms: 60_000, log }, { name: "block", timeout: 1_000, maxAttempts: 1 });
    const [beside, after] = [1_000, 1].map((ms) => createJob(ms, { name: "sleep" }));
    // At once: the child has all three before it blocks.
    await stage.queue.pushBatch([beside, block, after].filter((job) => job !== undefined));
    const { failed, dead, error } = await stage.until((told) => told.dead.length === 1 && told.completed.length === 3);
    expect(failed).toHaveLength(1);
    expect(isJobferryError(failed[0]?.error, "TIMEOUT")).toBe(true);
    expect(dead[0]?.job.id).toBe(block.id);
    expect(await stage.result("where")).not.toEqual(before);
    expect(startsIn(log)).toHaveLength(1);
    expect(error).toEqual([]); // the job's own events tell it
    expect(stage.told.completed.slice(1, 3).map(({ job }) => job.losses)).toEqual([1, 1]);
  });

  it("is killed by a stop that cannot wait", async () => {
    await using stage = new Stage(isolation, { abortGrace: 50 });
    await stage.pool.start();
    const log = stage.log("blocked");
    await stage.push("block", { ms: 60_000, log });
    await eventually(() => startsIn(log).length === 1);
    await stage.pool.stop({ timeout: 0 });
    expect(await stage.queue.getStats()).toMatchObject({ pendingJobs: 1, reservedJobs: 0 });
    expect(stage.told.stopped).toEqual([{ reason: "stopped", handedBack: 1 }]);
  });
});

it("a job that waits for a child of its own keeps its place while long jobs run", async () => {
  await using stage = new Stage("threads", { workers: 1, concurrency: 2 });
  const { queue, pool, told } = stage;
  await stage.push("sleep", 0, { id: "suspect" });
  for (let lost = 0; lost < 2; lost += 1) {
    await queue.pop({ lease: 500, wait: "5s" });
    // Where it comes back it stands behind these.
    if (lost === 1)
      for (const [id, ms] of [["a", 1_500] as const, ["b", 2_900] as const]) await stage.push("sleep", ms, { id });
  }
  while (((await queue.getStats()).pendingJobs ?? 0) < 3) await new Promise((resolve) => void setTimeout(resolve, 10));
  for (let n = 0; n < 4; n += 1) await stage.push("sleep", 700, { id: `later${n}` });
  await pool.start();
  await stage.until(({ completed }) => completed.length === 7);
  expect(told.completed.map(({ job }) => job.id).indexOf("suspect")).toBe(2);
});

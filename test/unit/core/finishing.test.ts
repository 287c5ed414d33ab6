import { describe, expect, test } from "vitest";
import type { FinishResult } from "../../../src/contract/index.ts";
import { createJob, type ReservedJob } from "../../../src/core/index.ts";
import { Deferred } from "../../../src/runtime/index.ts";
import { FakeDriver } from "./fake-driver.ts";
import { codeOf, errorOf, popOne, settle, type Stage, stageOn } from "./stage.ts";

async function popped(
  count: number,
  lease = "10s" as const,
): Promise<Stage<FakeDriver> & Readonly<{ jobs: readonly ReservedJob[] }>> {
  const stage = stageOn(new FakeDriver(), { lease });
  await stage.queue.pushBatch(Array.from({ length: count }, (_, i) => createJob(i)));
  return { ...stage, jobs: await stage.queue.popBatch(count) };
}

const at = (jobs: readonly ReservedJob[], i: number): ReservedJob => {
  const job = jobs[i];
  if (job === undefined) throw new Error(`no job ${i}`);
  return job;
};

test("finishes that end together go together", async () => {
  const { driver, queue, jobs } = await popped(5);
  await Promise.all(jobs.map((job) => job.complete()));
  expect(driver.finished.map(({ length }) => length)).toEqual([1, 4]);
  expect(await queue.getStats()).toMatchObject({ completedJobs: 5, reservedJobs: 0 });
});

describe("an unknown finish", () => {
  test("is repeated under the same token until the store answers", async () => {
    const { driver, queue, clock, jobs } = await popped(1);
    let calls = 0;
    driver.script.finish = async (items, real) =>
      (calls += 1) < 5 ? items.map((): FinishResult => "unknown") : real();
    const done = at(jobs, 0).complete();
    await clock.advance("5s");
    await done;
    expect(calls).toBe(5);
    const tokens = new Set(driver.finished.flatMap((items) => items.map(({ reservation }) => reservation.token)));
    expect(tokens.size).toBe(1);
    expect((await queue.getStats()).completedJobs).toBe(1);
  });

  test("becomes FINISH_UNKNOWN when the lease must have ended, and is not sent any more", async () => {
    const { driver, clock, jobs, lines } = await popped(1);
    driver.script.finish = async () => Promise.reject(new Error("no route to host"));
    const failed = errorOf(at(jobs, 0).complete());
    await clock.advance("9400ms");
    let settled = false;
    void failed.then(() => (settled = true));
    await settle(clock);
    expect(settled, "the lease is still ours").toBe(false);
    await clock.advance("1100ms");
    expect(await failed).toMatchObject({ code: "FINISH_UNKNOWN" });
    const sent = driver.finished.length;
    expect(sent).toBeGreaterThan(5);
    await clock.advance("1m");
    expect(driver.finished).toHaveLength(sent);
    expect(lines[0]).toMatchObject({ level: "warn", message: "finish on fake failed: no route to host" });
    expect(clock.armed).toBe(0);
  });

  test("that was done at the first try is not reported as lost", async () => {
    const { driver, queue, clock, jobs } = await popped(1);
    driver.script.finish = async (items, real) => {
      const results = await real();
      return driver.finished.length === 1 ? items.map((): FinishResult => "unknown") : results;
    };
    const failed = errorOf(at(jobs, 0).complete());
    await clock.advance("1s");
    expect(await failed).toMatchObject({ code: "FINISH_UNKNOWN" });
    expect(driver.finished).toHaveLength(2);
    expect((await queue.getStats()).completedJobs).toBe(1);
  });

  test("holds up no other", async () => {
    const { driver, queue, clock, jobs } = await popped(3);
    const stuck = at(jobs, 0).id;
    driver.script.finish = async (items, real) => {
      const results = await real();
      return items.map(({ reservation }, i) => (reservation.job.id === stuck ? "unknown" : (results[i] ?? "unknown")));
    };
    const first = codeOf(at(jobs, 0).complete());
    await settle(clock);
    await Promise.all([at(jobs, 1).complete(), at(jobs, 2).release()]);
    expect(await queue.getStats()).toMatchObject({ completedJobs: 2, pendingJobs: 1 });
    await clock.advance("1m");
    expect(await first).toBe("FINISH_UNKNOWN");
  });

  test("an answer too short is unknown for the rest", async () => {
    const { driver, clock, jobs } = await popped(3);
    driver.script.finish = async (_, real) => (await real()).slice(0, 1);
    const first = at(jobs, 0).complete();
    const rest = [at(jobs, 1), at(jobs, 2)].map((job) => codeOf(job.complete()));
    await first;
    await clock.advance("1m");
    expect(await Promise.all(rest)).toEqual(["resolved", "FINISH_UNKNOWN"]);
  });
});

describe("a reserved job", () => {
  test("is finished once, whatever way", async () => {
    const { queue, jobs } = await popped(1);
    const job = at(jobs, 0);
    await job.complete();
    for (const act of [job.complete(), job.delete(), job.release(), job.fail("x"), job.extend("1s")]) {
      const error = await errorOf(act);
      expect(error).toMatchObject({ code: "LEASE_LOST" });
      expect(error.message).toContain("finished already");
    }
    expect(await queue.getStats()).toMatchObject({ completedJobs: 1, failedJobs: 0 });
  });

  test("two finishes at once: the first counts", async () => {
    const { queue, jobs } = await popped(1);
    const job = at(jobs, 0);
    const ends = await Promise.all([codeOf(job.complete()), codeOf(job.fail("x"))]);
    expect(ends).toEqual(["resolved", "LEASE_LOST"]);
    expect(await queue.getStats()).toMatchObject({ completedJobs: 1, failedJobs: 0 });
  });

  test("release, fail, delete and the queue's names for them", async () => {
    const { queue, clock, jobs } = await popped(4);
    await queue.release(at(jobs, 0), "1m");
    await queue.fail(at(jobs, 1), new TypeError("no"));
    await queue.delete(at(jobs, 2));
    await queue.extend(at(jobs, 3), "1h");
    await clock.advance("1m");
    expect(await queue.getStats()).toMatchObject({ pendingJobs: 1, failedJobs: 1, completedJobs: 1, reservedJobs: 1 });
    const failed = await queue.records.list({ state: "failed" });
    expect(failed.jobs[0]).toMatchObject({ exceptions: 1, failure: { name: "TypeError", message: "no" } });
  });

  test("after its lease nothing is sent, and the signal says why", async () => {
    const { driver, queue, clock, jobs } = await popped(1);
    const job = at(jobs, 0);
    expect(job.leaseUntil).toBe(clock.now() + 9_500);
    const { signal } = job;
    await clock.advance(9_499);
    expect(signal.aborted).toBe(false);
    await clock.advance(1);
    expect(signal.aborted).toBe(true);
    expect(signal.reason).toMatchObject({ code: "LEASE_LOST" });
    for (const act of [job.complete(), job.release(), job.fail("x"), job.extend("1s")])
      expect(await codeOf(act)).toBe("LEASE_LOST");
    expect(driver.finished).toEqual([]);
    await clock.advance(500);
    expect((await popOne(queue)).id).toBe(job.id);
  });

  test("a signal that is first read after the lease has fired already", async () => {
    const { clock, jobs } = await popped(1);
    await clock.advance("10s");
    expect(at(jobs, 0).signal.aborted).toBe(true);
    expect(clock.armed).toBe(0);
  });

  test("when the store says lost, the signal fires at once and nothing is sent again", async () => {
    const { driver, clock, jobs } = await popped(1);
    const job = at(jobs, 0);
    const { signal } = job;
    const armed = clock.armed;
    driver.script.finish = async (items) => items.map((): FinishResult => "lost");
    expect(await codeOf(job.complete())).toBe("LEASE_LOST");
    expect(signal.aborted).toBe(true);
    expect(await codeOf(job.complete())).toBe("LEASE_LOST");
    expect(driver.finished).toHaveLength(1);
    expect(clock.armed).toBe(armed - 1);
  });

  test("a lost extend ends it, too", async () => {
    const { driver, jobs } = await popped(1);
    const job = at(jobs, 0);
    driver.script.extend = async (items) => items.map(() => "lost" as const);
    const { signal } = job;
    expect(await codeOf(job.extend("1h"))).toBe("LEASE_LOST");
    expect(signal.aborted).toBe(true);
  });

  test("extend moves the end in both directions, and the signal with it", async () => {
    const { clock, jobs } = await popped(2);
    const [longer, shorter] = [at(jobs, 0), at(jobs, 1)];
    const signals = [longer.signal, shorter.signal];
    await longer.extend("1m");
    await shorter.extend("2s");
    expect([longer.leaseUntil, shorter.leaseUntil]).toEqual([clock.now() + 59_000, clock.now() + 1_900]);
    await clock.advance(1_900);
    expect(signals.map(({ aborted }) => aborted)).toEqual([false, true]);
    await clock.advance(57_099);
    expect(signals[0]?.aborted).toBe(false);
    await clock.advance(1);
    expect(signals[0]?.aborted).toBe(true);
  });

  test("the lease counts from before the request was sent", async () => {
    const { driver, queue, clock } = stageOn(new FakeDriver(), { lease: "10s" });
    await queue.push(createJob(1));
    const gate = new Deferred<void>();
    driver.script.reserve = async (_, real) => {
      const { claimedAt: _unknown, ...result } = await real();
      await gate.promise;
      return result;
    };
    const popping = popOne(queue);
    await clock.advance("4s");
    gate.resolve();
    expect((await popping).leaseUntil).toBe(clock.now() + 5_500);
  });

  test("a finished job leaves no timer", async () => {
    const { clock, jobs } = await popped(3);
    const [done, released, failed] = [at(jobs, 0), at(jobs, 1), at(jobs, 2)];
    const armed = clock.armed;
    for (const job of jobs) expect(job.signal.aborted).toBe(false);
    expect(clock.armed).toBe(armed + 3);
    await Promise.all([done.complete(), released.release(), failed.fail("x")]);
    expect(clock.armed).toBe(armed);
    await clock.advance("1m");
    expect(jobs.map(({ signal }) => signal.aborted)).toEqual([false, false, false]);
  });

  test("a result that cannot be encoded leaves the job in hand", async () => {
    const { queue } = stageOn(new FakeDriver(), { keepCompleted: true });
    await queue.push(createJob(1));
    const job = await popOne(queue);
    expect(await codeOf(job.complete({ at: new Date() }))).toBe("PAYLOAD_INVALID");
    await job.complete({ at: 1 });
    expect((await queue.records.get(job.id))?.result).toEqual({ at: 1 });
  });

  test("wrong arguments are refused before anything is sent", async () => {
    const { driver, jobs } = await popped(1);
    const job = at(jobs, 0);
    for (const act of [job.release(-1), job.release("x" as never), job.extend(0), job.extend("1y" as never)])
      expect(await codeOf(act)).toBe("INVALID_ARGUMENT");
    expect(await errorOf(job.release("40000d"))).toMatchObject({ code: "INVALID_ARGUMENT" });
    expect(driver.finished).toEqual([]);
    await job.complete();
  });

  test("limits of the backend hold for release and extend", async () => {
    const { queue } = stageOn(new FakeDriver({ delay: { maxMs: 60_000 }, lease: { minMs: 5_000 } }));
    await queue.push(createJob(1));
    expect(await errorOf(queue.pop({ lease: "4s" }))).toMatchObject({ capability: "lease" });
    const job = await popOne(queue);
    expect(await errorOf(job.release("2m"))).toMatchObject({ capability: "delay" });
    expect(await errorOf(job.extend("4s"))).toMatchObject({ capability: "lease" });
    await job.release("1m");
  });
});

describe("await using", () => {
  test("releases what nothing else finished", async () => {
    const { queue, jobs } = await popped(2);
    {
      await using kept = at(jobs, 0);
      await using done = at(jobs, 1);
      expect(kept.id).not.toBe(done.id);
      await done.complete();
    }
    expect(await queue.getStats()).toMatchObject({ pendingJobs: 1, completedJobs: 1, reservedJobs: 0 });
    expect((await popOne(queue)).attempts).toBe(2);
  });

  test("says nothing when the lease is gone, so that the block's own error is heard", async () => {
    const { driver, clock, jobs } = await popped(2);
    driver.script.finish = async (items) => items.map((): FinishResult => "lost");
    const act = async (i: number): Promise<void> => {
      await using job = at(jobs, i);
      if (i === 1) await clock.advance("1m");
      throw new Error(`from ${job.payload as number}`);
    };
    expect((await errorOf(act(0))).message).toBe("from 0");
    expect((await errorOf(act(1))).message).toBe("from 1");
  });
});

import { describe, expect, test } from "vitest";
import type { PushResult } from "../../../src/contract/index.ts";
import { BatchError, createJob, type NewJob } from "../../../src/core/index.ts";
import { JobferryError } from "../../../src/errors/index.ts";
import { Deferred } from "../../../src/runtime/index.ts";
import { FakeDriver } from "./fake-driver.ts";
import { codeOf, errorOf, popOne, settle, stageOn } from "./stage.ts";

const jobs = (count: number, queue = "default"): NewJob<string>[] =>
  Array.from({ length: count }, (_, i) => createJob(`job ${i}`, { queue }));
const UNKNOWN: PushResult = { status: "unknown" };

test("pushes that come while one is in flight go together, in order, a lane a queue", async () => {
  const { driver, queue } = stageOn(new FakeDriver());
  await queue.open();
  await Promise.all([...jobs(5, "a"), ...jobs(3, "b")].map((job) => queue.push(job)));
  expect(
    driver.pushed.map((items) => items.map(({ queue: name, payload }) => name + new TextDecoder().decode(payload))),
  ).toEqual([["ajob 0"], ["bjob 0"], ["ajob 1", "ajob 2", "ajob 3", "ajob 4"], ["bjob 1", "bjob 2"]]);
});

test("flushes keep the driver's limits of items and bytes", async () => {
  const { driver, queue } = stageOn(new FakeDriver({ batch: { maxItems: 3, maxBytes: 10_000 } }));
  await queue.open();
  await Promise.all(jobs(8).map((job) => queue.push(job)));
  expect(driver.pushed.map(({ length }) => length)).toEqual([1, 3, 3, 1]);
  driver.pushed.length = 0;
  await Promise.all(Array.from({ length: 6 }, () => queue.push(createJob("x".repeat(4_000)))));
  expect(driver.pushed.map(({ length }) => length)).toEqual([1, 2, 2, 1]);
  driver.pushed.length = 0;
  await queue.pushBatch(jobs(7));
  expect(driver.pushed.map(({ length }) => length)).toEqual([3, 3, 1]);
});

test("tags and headers count as bytes that wait", async () => {
  const { driver, queue } = stageOn(new FakeDriver({ batch: { maxBytes: 10_000 } }));
  await queue.open();
  const tags = { big: "ü".repeat(2_000) };
  await Promise.all(
    Array.from({ length: 5 }, (_, i) => queue.push(createJob(i, i % 2 ? { tags } : { headers: tags }))),
  );
  expect(driver.pushed.map(({ length }) => length)).toEqual([1, 1, 1, 1, 1]);
});

describe("an unknown answer", () => {
  test("is repeated where pushes are by id, with pauses, and stored once", async () => {
    const { driver, queue, clock } = stageOn(new FakeDriver());
    let calls = 0;
    driver.script.push = async (items, real) => {
      const results = await real(items);
      return (calls += 1) < 4 ? items.map(() => UNKNOWN) : results;
    };
    const pushed = queue.push(createJob("x"));
    await clock.advance("1s");
    expect((await pushed).payload).toBe("x");
    expect(calls).toBe(4);
    expect((await queue.getStats()).pendingJobs).toBe(1);
  });

  test("repeats only those that are unknown", async () => {
    const { driver, queue, clock } = stageOn(new FakeDriver());
    driver.script.push = async (items, real) => {
      const results = await real(items);
      return driver.pushed.length === 1 ? results.map((one, i) => (i === 1 ? UNKNOWN : one)) : results;
    };
    const pushed = queue.pushBatch(jobs(3));
    await clock.advance("1s");
    await pushed;
    expect(driver.pushed.map(({ length }) => length)).toEqual([3, 1]);
  });

  test("is told where pushes are not by id, and never repeated", async () => {
    const { driver, queue } = stageOn(new FakeDriver({ pushById: false }));
    driver.script.push = async (items) => items.map(() => UNKNOWN);
    const error = await errorOf(queue.push(createJob("x")));
    expect(error).toMatchObject({ code: "UNAVAILABLE", retryable: true });
    expect(error.message).toContain("may be stored or not");
    expect(driver.pushed).toHaveLength(1);
  });

  test("an id of the user's, where nobody looks whether it is there, is warned of once", async () => {
    const { queue, lines } = stageOn(new FakeDriver({ pushById: false }));
    await queue.push(createJob("x"));
    expect(lines).toEqual([]);
    await queue.push(createJob("x", { id: "order-7" }));
    await queue.push(createJob("x", { id: "order-8" }));
    expect(lines.map(({ level, message }) => [level, message.includes("stored and runs again")])).toEqual([
      ["warn", true],
    ]);
    const able = stageOn(new FakeDriver());
    await able.queue.push(createJob("x", { id: "order-7" }));
    expect(able.lines).toEqual([]);
  });

  test("an answer too short is unknown, not stored", async () => {
    const { driver, queue } = stageOn(new FakeDriver({ pushById: false }));
    driver.script.push = async (items) => items.slice(1).map(() => ({ status: "stored" }));
    const error = await errorOf(queue.pushBatch(jobs(3)));
    expect(error).toMatchObject({ code: "BATCH_INCOMPLETE" });
    expect((error as BatchError).unconfirmed).toHaveLength(1);
  });

  test("a thrown passing failure is repeated, and says that nobody knows", async () => {
    const { driver, queue, clock } = stageOn(new FakeDriver());
    driver.script.push = async () => Promise.reject(new Error("connection reset"));
    const failed = errorOf(queue.push(createJob("x")));
    await clock.advance("9s");
    expect(driver.pushed.length).toBeGreaterThan(5);
    await clock.advance("2s");
    expect(await failed).toMatchObject({ code: "UNAVAILABLE", retryable: true });
  });

  test("a push whose time is over says what its last try ended with", async () => {
    const { driver, queue, clock } = stageOn(new FakeDriver());
    driver.script.push = async () =>
      driver.pushed.length < 3 ? Promise.reject(new Error("no way to 127.0.0.1:1")) : new Promise(() => undefined);
    const failed = errorOf(queue.push(createJob("x")));
    await clock.advance("11s");
    expect(await failed).toMatchObject({ code: "UNAVAILABLE" });
    expect((await failed).message).toMatch(
      /no answer within 10000 ms.+The last try: push on fake failed: no way to 127\.0\.0\.1:1 It was sent, so/,
    );
  });

  test("a repeated push ends with the answer of its repetition, and not later", async () => {
    const { driver, queue, clock } = stageOn(new FakeDriver());
    driver.script.push = async (items, real) =>
      driver.pushed.length < 2 ? Promise.reject(new Error("reset")) : real(items);
    const pushed = queue.push(createJob("x")).then(() => clock.monotonic());
    const start = clock.monotonic();
    await clock.advance("1s");
    expect((await pushed) - start).toBeLessThanOrEqual(25);
  });

  test("a full store: every push that waits is told so, with how long it was tried, and pushes go on when there is room", async () => {
    const { driver, queue, clock } = stageOn(new FakeDriver());
    const full = new JobferryError("STORE_FULL", "It is full; nothing was stored.", { retryable: true });
    driver.script.push = async (items) => items.map((): PushResult => ({ status: "failed", error: full }));
    const first = errorOf(queue.push(createJob("first")));
    await clock.advance("1s");
    const second = errorOf(queue.push(createJob("second"))); // sent when the first has ended
    await clock.advance("15s");
    for (const error of [await first, await second]) {
      expect(error).toMatchObject({ code: "STORE_FULL", retryable: true });
      expect(error.message).toBe(
        `${full.message} It was tried until 10000 ms (pushTimeout) were over, and no room came.`,
      );
    }
    const third = queue.push(createJob("third"));
    await clock.advance("2s");
    delete driver.script.push;
    await clock.advance("20s");
    expect(await third).toMatchObject({ payload: "third" });
    expect((await queue.getStats()).pendingJobs).toBe(1);
  });

  test("a full store: what was told to be not stored is not stored when room comes later", async () => {
    const { driver, queue, clock } = stageOn(new FakeDriver());
    const full = new JobferryError("STORE_FULL", "It is full; nothing was stored.", { retryable: true });
    driver.script.push = async (items) => items.map((): PushResult => ({ status: "failed", error: full }));
    const first = errorOf(queue.push(createJob("first")));
    await clock.advance("6s");
    const told = errorOf(queue.push(createJob("told")));
    await clock.advance("3s");
    const later = queue.push(createJob("later")).then((job) => ({ job, at: clock.monotonic() }));
    // Both go out in one batch when the first has ended, and it is repeated for longer than they wait.
    await clock.advance("7500ms");
    expect((await first).message).toContain("no room came");
    expect((await told).message).toContain("no room came");
    expect(driver.pushed.at(-1)).toHaveLength(1);
    let storedAt = NaN;
    driver.script.push = async (sent, real) => {
      storedAt = clock.monotonic();
      return real(sent);
    };
    await clock.advance("2s");
    expect(await later).toMatchObject({ job: { payload: "later" }, at: storedAt });
    expect((await queue.getStats()).pendingJobs).toBe(1);
  });

  test("a full store is no sure answer for what an earlier try may have stored", async () => {
    const { driver, queue, clock } = stageOn(new FakeDriver());
    const full = new JobferryError("STORE_FULL", "It is full; nothing was stored.", { retryable: true });
    driver.script.push = async (items, real) => {
      if (driver.pushed.length > 1) return items.map((): PushResult => ({ status: "failed", error: full }));
      await real(items.slice(0, 1));
      return items.map(() => UNKNOWN);
    };
    const failed = errorOf(queue.push(createJob("x")));
    await clock.advance("12s");
    expect((await failed).message).toMatch(/may be stored or not/);
    expect((await queue.getStats()).pendingJobs).toBe(1);
  });

  test("a lasting failure is told at once, with the raw error as cause", async () => {
    const { driver, queue } = stageOn(new FakeDriver());
    const cause = new Error("disk full");
    driver.script.classify = () => ({ code: "STORE_FULL", retryable: false, message: "The disk is full." });
    driver.script.push = async () => Promise.reject(cause);
    const error = await errorOf(queue.push(createJob("x")));
    expect(error).toMatchObject({ code: "STORE_FULL", cause, message: "push on fake failed: The disk is full." });
    expect(driver.pushed).toHaveLength(1);
  });

  test("the thrown failure's fate is in the message where it is not repeated", async () => {
    const { driver, queue } = stageOn(new FakeDriver({ pushById: false }));
    driver.script.push = async () => Promise.reject(new Error("connection reset"));
    const error = await errorOf(queue.push(createJob("x")));
    expect(error.message).toMatch(/push on fake failed: connection reset.+may be stored or not/);
  });

  test("a later refusal does not make sure what an earlier try left open", async () => {
    for (const status of ["refused", "failed"] as const) {
      const { driver, queue, clock } = stageOn(new FakeDriver());
      driver.script.classify = (error) => ({
        code: "STORE_FULL",
        retryable: false,
        message: `${(error as Error).message}: nothing was stored.`,
      });
      driver.script.push = async (items, real) => {
        if (driver.pushed.length > 1) return items.map(() => ({ status, error: new Error("full") }));
        await real(items);
        return items.map(() => UNKNOWN);
      };
      const failed = errorOf(queue.push(createJob("x")));
      await clock.advance("1s");
      expect(await failed).toMatchObject({
        code: "STORE_FULL",
        message: expect.stringContaining("may be stored or not"),
      });
      expect((await queue.getStats()).pendingJobs).toBe(1);
    }
  });

  test("one refused job fails neither its neighbours nor is it repeated", async () => {
    const { driver, queue } = stageOn(new FakeDriver());
    driver.script.push = async (items, real) => {
      const results = await real(items.filter((_, i) => i !== 1));
      return results.toSpliced(1, 0, { status: "refused", error: new Error("a row too long") });
    };
    const batch = jobs(3);
    const error = (await errorOf(queue.pushBatch(batch))) as BatchError;
    expect(error).toBeInstanceOf(BatchError);
    expect(error.stored.map(({ id }) => id)).toEqual([batch[0]?.id, batch[2]?.id]);
    expect(error.unconfirmed).toEqual([batch[1]]);
    expect(error.message).toMatch(/^1 of 3 jobs were not confirmed\..+a row too long/);
    expect(driver.pushed).toHaveLength(1);
  });
});

describe("pushTimeout", () => {
  test("after the push was sent the error says so, and the job may be there", async () => {
    const { driver, queue, clock } = stageOn(new FakeDriver());
    const answer = new Deferred<void>();
    driver.script.push = async (items, real) => answer.promise.then(() => real(items));
    const pushed = errorOf(queue.push(createJob("x")));
    await clock.advance(9_999);
    await clock.advance(1);
    const error = await pushed;
    expect(error).toMatchObject({ code: "UNAVAILABLE", retryable: true });
    expect(error.message).toMatch(/within 10000 ms \(pushTimeout\)\. It was sent, so the job may be stored/);
    answer.resolve();
    await settle(clock);
    expect((await queue.getStats()).pendingJobs).toBe(1);
  });

  test("before it was sent nothing is stored, ever", async () => {
    const { driver, queue, clock } = stageOn(new FakeDriver(), { pushTimeout: "1s" });
    const answer = new Deferred<void>();
    driver.script.push = async (items, real) => answer.promise.then(() => real(items));
    const [first, second] = jobs(2).map((job) => errorOf(queue.push(job)));
    await clock.advance("1s");
    expect((await first)?.message).toContain("It was sent");
    expect((await second)?.message).toContain("It was not sent: nothing is stored");
    answer.resolve();
    await settle(clock);
    expect(driver.pushed).toHaveLength(1);
    expect((await queue.getStats()).pendingJobs).toBe(1);
  });

  test("is one time for the wait for room and for the answer", async () => {
    const { driver, queue, clock } = stageOn(new FakeDriver(), { pushTimeout: "1s", maxPending: 1 });
    const answers: Deferred<void>[] = [];
    driver.script.push = async (items, real) => {
      const answer = new Deferred();
      answers.push(answer);
      await answer.promise;
      return real(items);
    };
    const first = queue.push(createJob("first"));
    const second = errorOf(queue.push(createJob("second")));
    await clock.advance(900);
    answers[0]?.resolve();
    await clock.advance(100);
    expect((await first).payload).toBe("first");
    const error = await second;
    expect(error.message).toContain("It was sent");
    answers[1]?.resolve();
    await settle(clock);
  });

  test("whoever times out while it waits for room gives back all of it", async () => {
    const { driver, queue, clock } = stageOn(new FakeDriver(), { pushTimeout: "1s", maxPending: 2 });
    const answer = new Deferred<void>();
    driver.script.push = async (items, real) => answer.promise.then(() => real(items));
    const ends = jobs(20).map((job) => codeOf(queue.push(job)));
    await clock.advance("1s");
    expect(new Set(await Promise.all(ends))).toEqual(new Set(["UNAVAILABLE"]));
    answer.resolve();
    await settle(clock);
    for (let round = 0; round < 5; round += 1) await queue.pushBatch(jobs(2));
    expect((await queue.getStats()).pendingJobs).toBe(11);
  });
});

describe("maxPending", () => {
  test("further pushes wait for room and keep their order", async () => {
    const { driver, queue } = stageOn(new FakeDriver(), { maxPending: 3 });
    await queue.open();
    let inside = 0;
    let most = 0;
    driver.script.push = async (items, real) => {
      inside += items.length;
      most = Math.max(most, inside);
      await new Promise(setImmediate);
      inside -= items.length;
      return real(items);
    };
    const pushed = await Promise.all(jobs(20).map((job) => queue.push(job)));
    expect(most).toBeLessThanOrEqual(3);
    const popped = await queue.popBatch(20);
    expect(popped.map(({ id }) => id)).toEqual(pushed.map(({ id }) => id));
  });

  test("a batch larger than all of it is let in alone", async () => {
    const { queue } = stageOn(new FakeDriver(), { maxPending: 3 });
    expect(await queue.pushBatch(jobs(10))).toHaveLength(10);
  });
});

describe("the signal", () => {
  test("before: rejects with its reason and stores nothing", async () => {
    const { driver, queue } = stageOn(new FakeDriver());
    const reason = new Error("too late");
    await expect(queue.push(createJob("x"), { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(driver.pushed).toEqual([]);
  });

  test("while it waits: takes it out; after it was sent: says that it may be stored", async () => {
    const { driver, queue, clock } = stageOn(new FakeDriver());
    const answer = new Deferred<void>();
    driver.script.push = async (items, real) => answer.promise.then(() => real(items));
    const stop = new AbortController();
    const reason = new Error("changed my mind");
    const [sent, waiting] = jobs(2).map((job) => errorOf(queue.push(job, { signal: stop.signal })));
    await settle(clock);
    stop.abort(reason);
    expect(await waiting).toBe(reason);
    expect(await sent).toMatchObject({ code: "UNAVAILABLE", cause: reason });
    answer.resolve();
    await settle(clock);
    expect((await queue.getStats()).pendingJobs).toBe(1);
    expect(driver.pushed).toHaveLength(1);
  });

  test("leaves no listener on a signal that lives on", async () => {
    const { queue } = stageOn(new FakeDriver());
    const { signal } = new AbortController();
    let listeners = 0;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (...args: Parameters<typeof add>): void => {
      listeners += 1;
      add(...args);
    };
    signal.removeEventListener = (...args: Parameters<typeof remove>): void => {
      listeners -= 1;
      remove(...args);
    };
    await queue.push(createJob("x"), { signal });
    expect(listeners).toBe(0);
  });
});

describe("a batch", () => {
  test("stores none when one is bad, and freezes none", async () => {
    const { driver, queue } = stageOn(new FakeDriver());
    const batch = [...jobs(2), createJob(Number.NaN), ...jobs(1)];
    expect(await codeOf(queue.pushBatch(batch))).toBe("PAYLOAD_INVALID");
    expect(driver.pushed).toEqual([]);
    for (const job of batch) job.priority = 3;
  });

  test("refuses what is no list of jobs", async () => {
    const { queue } = stageOn(new FakeDriver());
    for (const bad of [undefined, null, 3, createJob(1)])
      expect(await codeOf(queue.pushBatch(bad as never))).toBe("INVALID_ARGUMENT");
    const popped = await queue.push(createJob(1)).then(() => popOne(queue));
    for (const bad of ["ab", [{}], [popped], [undefined]])
      expect(await codeOf(queue.pushBatch(bad as never))).toBe("INVALID_ARGUMENT");
    expect(await codeOf(queue.push(popped as never))).toBe("INVALID_ARGUMENT");
  });

  test("of nothing is nothing, and a generator will do", async () => {
    const { driver, queue } = stageOn(new FakeDriver());
    expect(await queue.pushBatch([])).toEqual([]);
    expect(driver.pushed).toEqual([]);
    const two = function* (): Iterable<NewJob> {
      yield* jobs(2);
    };
    expect(await queue.laterBatch(two(), "1m")).toHaveLength(2);
    expect((await queue.getStats()).delayedJobs).toBe(2);
  });

  test("does not take the time of a push for each of its chunks while the store is away", async () => {
    const { driver, queue, clock } = stageOn(new FakeDriver({ batch: { maxItems: 10 } }));
    driver.script.push = async (items, real) =>
      driver.pushed.length === 1 ? real(items) : Promise.reject(new Error("connection reset"));
    const batch = jobs(100);
    const failed = errorOf(queue.pushBatch(batch));
    await clock.advance("11s");
    const error = (await failed) as BatchError;
    expect(error).toMatchObject({ code: "BATCH_INCOMPLETE", retryable: true });
    expect(error.stored).toHaveLength(10);
    expect(error.unconfirmed).toEqual(batch.slice(10));
    expect(error.cause).toMatchObject({
      code: "UNAVAILABLE",
      message: expect.stringContaining("may be stored or not"),
    });
    expect(new Set(driver.pushed.flat().map(({ id }) => id)).size).toBe(20);
    delete driver.script.push;
    expect(await queue.pushBatch(error.unconfirmed)).toHaveLength(90);
    expect((await queue.getStats()).pendingJobs).toBe(100);
  });

  test("the chunks after one that was aborted are not sent", async () => {
    const { driver, queue, clock } = stageOn(new FakeDriver({ batch: { maxItems: 2 } }));
    await queue.open();
    const stop = new AbortController();
    const reason = new Error("changed my mind");
    driver.script.push = async (items, real) => {
      const answers = await real(items);
      stop.abort(reason);
      return answers;
    };
    const failed = errorOf(queue.pushBatch(jobs(6), { signal: stop.signal }));
    await settle(clock);
    const error = (await failed) as BatchError;
    expect(driver.pushed).toHaveLength(1);
    expect(error.unconfirmed).toHaveLength(6);
    expect((await queue.getStats()).pendingJobs).toBe(2);
  });

  test("keeps the order of each queue, and says what is left after a failure", async () => {
    const { driver, queue } = stageOn(new FakeDriver({ batch: { maxItems: 2 }, pushById: false }));
    driver.script.push = async (items, real) => (driver.pushed.length <= 2 ? real(items) : items.map(() => UNKNOWN));
    const batch = [...jobs(3, "a"), ...jobs(1, "b"), ...jobs(2, "a")];
    const error = (await errorOf(queue.pushBatch(batch))) as BatchError;
    expect(error.stored).toHaveLength(4);
    expect(error.unconfirmed).toEqual(
      [batch[5], batch[3]].toSorted((one, two) => batch.indexOf(one as never) - batch.indexOf(two as never)),
    );
    const popped = await queue.popBatch(9, { queue: "a" });
    expect(popped.map(({ id }) => id)).toEqual([batch[0], batch[1], batch[2], batch[4]].map((job) => job?.id));
  });
});

describe("freezing", () => {
  test("every setter throws JOB_FROZEN after the push", async () => {
    const { queue } = stageOn(new FakeDriver());
    const job = createJob("x");
    await queue.push(job);
    const setters: (() => unknown)[] = [
      () => (job.queue = "b"),
      () => (job.priority = 1),
      () => (job.delay = 1),
      () => (job.timeout = 1),
      () => (job.maxAttempts = 1),
      () => job.addTag("a", "b"),
    ];
    for (const set of setters) expect(await codeOf(set)).toBe("JOB_FROZEN");
  });

  test("a refused push changes nothing: the job can be mended and pushed", async () => {
    const { queue } = stageOn(new FakeDriver({ priority: { min: 0, max: 9 }, delay: { maxMs: 60_000 } }));
    const job = createJob("x", { priority: 10, delay: "1h" });
    expect(await errorOf(queue.push(job))).toMatchObject({ code: "UNSUPPORTED", capability: "delay" });
    job.delay = "1m";
    expect(await errorOf(queue.push(job))).toMatchObject({ code: "UNSUPPORTED", capability: "priority" });
    job.priority = 9;
    expect(await queue.push(job)).toMatchObject({ priority: 9, delay: 60_000 });
  });

  test("the same job pushed again after an error is stored once, with its first creation time", async () => {
    const { driver, queue, clock } = stageOn(new FakeDriver({ pushById: false }));
    driver.script.push = async (items, real) => real(items).then(() => items.map(() => UNKNOWN));
    const job = createJob("x");
    expect(await codeOf(queue.push(job))).toBe("UNAVAILABLE");
    await clock.advance("1h");
    delete driver.script.push;
    const again = await queue.push(job);
    expect(again.createdAt).toBe(clock.now() - 3_600_000);
    expect((await queue.getStats()).pendingJobs).toBe(1);
  });
});

describe("limits of the backend", () => {
  test.each([
    ["no delays", { delay: { support: "unsupported" } }, createJob("x", { delay: 1 }), "delay"],
    ["a date too far", { delay: { maxMs: 1_000 } }, createJob("x", { delay: new Date("2099-01-01") }), "delay"],
    ["priority below", { priority: { min: 0 } }, createJob("x", { priority: -1 }), "priority"],
  ] as const)("%s", async (_, capabilities, job, capability) => {
    const { driver, queue } = stageOn(new FakeDriver(capabilities));
    expect(await errorOf(queue.push(job))).toMatchObject({ code: "UNSUPPORTED", capability });
    expect(driver.pushed).toEqual([]);
  });

  test("a delay of 0 and a date in the past need no delays", async () => {
    const { queue } = stageOn(new FakeDriver({ delay: { support: "unsupported" } }));
    await queue.push(createJob("x", { delay: 0 }));
    await queue.push(createJob("x", { delay: new Date(0) }));
    expect((await queue.getStats()).pendingJobs).toBe(2);
  });

  test("a payload one byte too large is told with both numbers", async () => {
    const { queue } = stageOn(new FakeDriver({ payload: { maxBytes: 10 } }));
    await queue.push(createJob("x".repeat(10)));
    const error = await errorOf(queue.push(createJob("x".repeat(11))));
    expect(error).toMatchObject({ code: "PAYLOAD_TOO_LARGE" });
    expect(error.message).toContain("11 bytes; fake takes at most 10");
  });

  test("so is a result, before the job is finished", async () => {
    const { queue } = stageOn(new FakeDriver({ payload: { maxBytes: 10 } }), { keepCompleted: true });
    await queue.push(createJob("x"));
    const job = await popOne(queue);
    expect(await codeOf(job.complete("x".repeat(11)))).toBe("PAYLOAD_TOO_LARGE");
    await job.complete("short");
  });

  test("options of push are checked", async () => {
    const { queue } = stageOn(new FakeDriver());
    const error = await errorOf(queue.push(createJob("x"), { sginal: 1 } as never));
    expect(error.message).toContain('push has no option "sginal". Did you mean "signal"?');
  });
});

describe("a transaction", () => {
  test("goes through as it is, unbatched, and heeds the signal", async () => {
    const { driver, queue } = stageOn(new FakeDriver({ transactions: true }));
    await queue.pushBatch(jobs(2), { transaction: "tx 7" });
    expect(driver.transactions).toEqual(["tx 7"]);
    const reason = new Error("stop");
    await expect(queue.push(createJob(1), { transaction: "tx 8", signal: AbortSignal.abort(reason) })).rejects.toBe(
      reason,
    );
    expect(driver.transactions).toEqual(["tx 7"]);
  });

  test("is refused where the driver has none, before anything is frozen or stored", async () => {
    const { driver, queue } = stageOn(new FakeDriver());
    const job = createJob(1);
    expect(await errorOf(queue.push(job, { transaction: "tx" }))).toMatchObject({ capability: "transactions" });
    expect(await codeOf(queue.pushBatch([job], { transaction: "tx" }))).toBe("UNSUPPORTED");
    job.priority = 1;
    expect(driver.pushed).toEqual([]);
  });

  test("what the driver throws is wrapped", async () => {
    const { driver, queue } = stageOn(new FakeDriver({ transactions: true }));
    driver.script.push = async () => Promise.reject(new Error("rolled back"));
    expect(await errorOf(queue.push(createJob(1), { transaction: "tx" }))).toMatchObject({
      message: "push on fake failed: rolled back",
    });
  });
});

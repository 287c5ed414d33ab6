import { expect, test } from "vitest";
import { createJob } from "../../../src/core/index.ts";
import { Deferred } from "../../../src/runtime/index.ts";
import { FakeDriver } from "./fake-driver.ts";
import { codeOf, errorOf, popOne, settle, stageOn } from "./stage.ts";

test("close waits for what was sent and for what waits, then closes the driver once", async () => {
  const { driver, queue, clock } = stageOn(new FakeDriver(), { maxPending: 1 });
  const answer = new Deferred<void>();
  driver.script.push = async (items, real) => answer.promise.then(() => real(items));
  const pushes = [1, 2, 3].map((n) => codeOf(queue.push(createJob(n))));
  await settle(clock);
  const closes = [queue.close(), queue.close(), queue[Symbol.asyncDispose]()];
  await settle(clock);
  expect(driver.closed).toBe(0);
  answer.resolve();
  await Promise.all(closes); // without time going on
  expect(await Promise.all(pushes)).toEqual(["resolved", "resolved", "resolved"]);
  expect(driver.closed).toBe(1);
  expect(clock.armed).toBe(0);
});

test("close waits for finishes that are repeated, but no longer than 10 s", async () => {
  const { driver, queue, clock } = stageOn(new FakeDriver(), { lease: "1h" });
  await queue.push(createJob(1));
  const job = await popOne(queue);
  driver.script.finish = async () => Promise.reject(new Error("away"));
  const done = errorOf(job.complete());
  await settle(clock);
  let closed = false;
  const closing = queue.close().then(() => (closed = true));
  await clock.advance("9s");
  expect(closed).toBe(false);
  await clock.advance("2s");
  await closing;
  expect(await done).toMatchObject({ code: "FINISH_UNKNOWN" });
  expect(clock.armed).toBe(0);
});

test("a push that is never answered does not hold close for ever", async () => {
  const { driver, queue, clock } = stageOn(new FakeDriver(), { pushTimeout: "1m", maxPending: 2 });
  driver.script.push = async () => new Promise(() => undefined);
  const pushes = ["sent", "in the lane", "waits for room"].map((what) => errorOf(queue.push(createJob(what))));
  await settle(clock);
  const closing = queue.close();
  await clock.advance("10s");
  await closing;
  expect(driver.closed).toBe(1);
  const [sent, ...unsent] = await Promise.all(pushes); // nobody is left waiting
  expect(sent).toMatchObject({ code: "CLOSED", message: expect.stringContaining("stored or not") as unknown });
  for (const error of unsent)
    expect(error).toMatchObject({ code: "CLOSED", message: expect.stringContaining("nothing is stored") as unknown });
  expect(clock.armed).toBe(0);
});

test("an answer that the driver gives while it closes reaches its push", async () => {
  const { driver, queue, clock } = stageOn(new FakeDriver(), { pushTimeout: "1m" });
  const answer = new Deferred<void>();
  driver.script.push = async (items, real) => answer.promise.then(() => real(items));
  driver.script.close = async () => answer.resolve();
  const pushed = codeOf(queue.push(createJob(1)));
  await settle(clock);
  const closing = queue.close();
  await clock.advance("10s");
  await closing;
  expect(await pushed).toBe("resolved");
});

test("everything after close is CLOSED, also what was popped before", async () => {
  const { queue, clock, driver } = stageOn(new FakeDriver());
  await queue.pushBatch([createJob(1), createJob(2)]);
  const job = await popOne(queue);
  const { records } = queue;
  await queue.close();
  const calls = [
    queue.open(),
    queue.push(createJob(1)),
    queue.pushBatch([createJob(1)]),
    queue.later(createJob(1), 5),
    queue.laterBatch([createJob(1)], 5),
    queue.pop(),
    queue.popBatch(2),
    queue.size(),
    queue.clear(),
    queue.getStats(),
    queue.queues(),
    queue.pause(),
    queue.resume("x"),
    records.get("x"),
    records.list(),
    records.retry({}),
    records.retry(["x"]),
  ];
  expect(await Promise.all(calls.map((call) => codeOf(call)))).toEqual(calls.map(() => "CLOSED"));
  const ends = [() => job.complete(), () => job.release(), () => job.fail("x"), () => job.extend("1s")];
  for (const end of ends) expect(await codeOf(end)).toBe("CLOSED");
  expect(driver.finished).toEqual([]);
  expect(clock.armed).toBe(0);
});

test("a pop that waits ends with the queue", async () => {
  const { queue, clock } = stageOn(new FakeDriver());
  const waiting = queue.pop({ wait: "1h" });
  await settle(clock);
  await queue.close();
  expect(await waiting).toBeUndefined();
  expect(clock.armed).toBe(0);
});

test("close without any call opens nothing and closes nothing", async () => {
  const { driver, queue } = stageOn(new FakeDriver());
  await queue.close();
  expect(driver.closed).toBe(0);
  expect(await codeOf(queue.push(createJob(1)))).toBe("CLOSED");
});

test("close while it opens waits for it", async () => {
  const { driver, queue, clock } = stageOn(new FakeDriver());
  const gate = new Deferred<void>();
  driver.script.open = async (real) => gate.promise.then(real);
  const opening = codeOf(queue.open());
  const closing = queue.close();
  await settle(clock);
  expect(driver.closed).toBe(0);
  gate.resolve();
  await closing;
  expect(await opening).toBe("CLOSED");
  expect(driver.closed).toBeGreaterThan(0);
});

test("what opens after close stopped waiting is closed then", async () => {
  const { driver, queue, clock } = stageOn(new FakeDriver());
  const gate = new Deferred<void>();
  driver.script.open = async (real) => {
    const opened = await real();
    await gate.promise;
    return opened;
  };
  const opening = codeOf(queue.open());
  const closing = queue.close();
  await clock.advance("20s");
  await closing;
  expect(driver.closed).toBe(1);
  gate.resolve();
  expect(await opening).toBe("CLOSED");
  expect(driver.closed).toBe(2);
});

test("a failed open is tried again by the next call, and close cleans up after it", async () => {
  const { driver, queue } = stageOn(new FakeDriver());
  let fails = 2;
  driver.script.open = async (real) => ((fails -= 1) >= 0 ? Promise.reject(new Error("refused")) : real());
  const errors = await Promise.all([errorOf(queue.open()), errorOf(queue.push(createJob(1)))]);
  for (const error of errors)
    expect(error).toMatchObject({ code: "UNAVAILABLE", message: "open on fake failed: refused" });
  expect(fails, "both shared one try").toBe(1);
  expect(await codeOf(queue.open())).toBe("UNAVAILABLE");
  await queue.push(createJob(1));
  expect(queue.capabilities.shared).toBe(false);

  const other = stageOn(new FakeDriver());
  other.driver.script.open = async () => Promise.reject(new Error("refused"));
  expect(await codeOf(other.queue.open())).toBe("UNAVAILABLE");
  await other.queue.close();
  expect(other.driver.closed).toBe(1);
});

test("capabilities before open are NOT_OPEN; no records are UNSUPPORTED", async () => {
  const { queue } = stageOn(new FakeDriver());
  expect(await codeOf(() => queue.capabilities)).toBe("NOT_OPEN");
  const { queue: broker } = stageOn(Object.assign(new FakeDriver(), { records: undefined }));
  expect(await errorOf(() => broker.records)).toMatchObject({ code: "UNSUPPORTED", capability: "records" });
});

test("an error of close is told, every time", async () => {
  const { driver, queue } = stageOn(new FakeDriver());
  await queue.open();
  driver.script.close = async () => Promise.reject(new Error("half open"));
  for (let i = 0; i < 2; i += 1) expect((await errorOf(queue.close())).message).toBe("close on fake failed: half open");
  expect(driver.closed).toBe(1);
});

test("a driver that does not close does not hold up who closes, who is told by the log", async () => {
  const { driver, queue, clock, lines } = stageOn(new FakeDriver());
  await queue.push(createJob(1));
  driver.script.close = async () => new Promise(() => undefined);
  const closing = queue.close();
  await clock.advance("10s");
  await closing;
  expect(lines).toMatchObject([{ level: "warn", message: expect.stringContaining("fake did not close within 10 s") }]);
  expect(await codeOf(queue.push(createJob(2)))).toBe("CLOSED");
});

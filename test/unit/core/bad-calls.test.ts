import { expect, test } from "vitest";
import { createJob, deserializeJob, type Queue, Worker } from "jobferry";
import { FakeDriver } from "./fake-driver.ts";
import { codeOf, errorOf, stageOn } from "./stage.ts";

const NO_SIGNALS = ["stop", 5, {}, { aborted: false }, new AbortController()] as const;

test.each(NO_SIGNALS)("a signal that is none is refused before anything is stored or taken: %o", async (signal) => {
  const { driver, queue } = stageOn(new FakeDriver());
  const options = { signal: signal as never };
  const calls = [
    () => queue.push(createJob(1), options),
    () => queue.pushBatch([createJob(1)], options),
    () => queue.pop({ wait: "1m", ...options }),
  ];
  for (const call of calls) {
    expect(await errorOf(call)).toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringMatching(/^signal is /) as unknown,
    });
  }
  expect([driver.pushed, driver.reserved]).toEqual([[], []]);
  await queue.close();
});

test.each([undefined, null, Number.NaN, "soon", {}])("later without a delay stores nothing: %o", async (delay) => {
  const { driver, queue } = stageOn(new FakeDriver());
  for (const call of [
    () => queue.later(createJob(1), delay as never),
    () => queue.laterBatch([createJob(1)], delay as never),
  ]) {
    expect(await errorOf(call)).toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringMatching(/^delay is /) as unknown,
    });
  }
  expect(driver.pushed).toEqual([]);
  await queue.close();
});

test("run() of a worker refuses a signal that is none and does not start", async () => {
  const { queue } = stageOn(new FakeDriver());
  const worker = new Worker(queue as unknown as Queue, "default", () => undefined);
  expect(await codeOf(worker.run("now" as never))).toBe("INVALID_ARGUMENT");
  expect(worker.status).toBe("idle");
  await queue.close();
});

test.each([undefined, null, "memory:", {}])("a worker on %o instead of a queue is refused", (queue) => {
  expect(() => new Worker(queue as never, "default", () => undefined)).toThrow(/^queue is /);
});

test.each([undefined, null, "text", [0x4a]])("deserializeJob refuses %o", async (bytes) => {
  expect(await codeOf(() => deserializeJob(bytes as never))).toBe("INVALID_ARGUMENT");
});

import { createJob, Worker } from "jobferry";
import { expect, test } from "vitest";
import { UnheardErrors } from "../../faults/unheard-errors.ts";
import { stage } from "./stage.ts";

const throws = (): never => {
  throw new Error("its transport has ended");
};
const rejects = (): Promise<never> => Promise.reject(new Error("its transport has ended"));

test.each([
  ["throws", { debug: throws, info: throws, warn: throws, error: throws }],
  ["rejects", { debug: rejects, info: rejects, warn: rejects, error: rejects }],
])(
  "jobs that fail for good with nobody listening, and a logger that %s: the worker comes to its end",
  async (_, logger) => {
    using unheard = new UnheardErrors();
    const { clock, queue } = stage({}, { logger: logger as never });
    const worker = new Worker(queue as never, "default", () => Promise.reject(new Error("boom")), {
      ...{ concurrency: 2, maxAttempts: 1, stopWhenEmpty: true },
    });
    await queue.pushBatch(["a", "b", "c"].map((name) => createJob(name)));
    const running = worker.run().then(() => "ended");
    await clock.advance("10s");
    expect(await Promise.race([running, clock.advance("1s").then(() => "hangs")])).toBe("ended");
    expect(await queue.getStats()).toMatchObject({ failedJobs: 3, pendingJobs: 0 });
    await queue.close();
    await new Promise((resolve) => setImmediate(resolve));
    expect(unheard.all).toEqual([]);
  },
);

test("an error whose message is no text is told like any other, and the worker comes to its end", async () => {
  using unheard = new UnheardErrors();
  const { clock, lines, queue } = stage();
  const odd = (): Error => Object.assign(new Error("boom"), { message: Symbol("no text") });
  const worker = new Worker(queue as never, "default", () => Promise.reject(odd()), {
    ...{ concurrency: 2, maxAttempts: 1, stopWhenEmpty: true },
  });
  await queue.pushBatch(["a", "b", "c"].map((name) => createJob(name)));
  const running = worker.run().then(() => "ended");
  await clock.advance("10s");
  expect(await Promise.race([running, clock.advance("1s").then(() => "hangs")])).toBe("ended");
  expect(lines.filter(({ message }) => message.includes("failed for good"))).toHaveLength(3);
  await queue.close();
  expect(unheard.all).toEqual([]);
});

import { expect, test } from "vitest";
import { createJob, memoryQueue, Worker } from "../../../src/entry/index.ts";
import { sleep } from "../../../src/runtime/index.ts";
import { virtualClock } from "../../../src/testing/virtual-clock.ts";

/** Found by chaos (`poison`): the fetch that had begun while the slot was taken did not ask for such a job, and waited for 30 s. */
test("a job that lost a lease while all slots were taken starts as soon as one is free", async () => {
  const clock = virtualClock();
  const queue = memoryQueue({ clock });
  const started: string[] = [];
  await queue.push(createJob("lost", { id: "lost" }));
  await queue.pop({ lease: 500 }); // by somebody who dies
  await queue.push(createJob("long", { id: "long" }));
  const handle = async ({ id }: { id: string }): Promise<void> => {
    started.push(`${id} at ${clock.monotonic()}`);
    if (id === "long") await sleep(clock, 2_000);
  };
  const worker = new Worker(queue, "default", handle, { prefetch: 4 });
  await worker.start();
  await clock.advance(2_100);
  expect(started).toEqual(["long at 0", "lost at 2000"]);
  await Promise.all([worker.stop(), clock.advance("10s")]);
  await queue.close();
});

test("a job that was fetched ahead does not start after its lease ended, though handlers block", async () => {
  const clock = virtualClock();
  let blockedMs = 0;
  const blocking = {
    ...{
      now: () => clock.now() + blockedMs,
      monotonic: () => clock.monotonic() + blockedMs,
      random: () => clock.random(),
    },
    timer: clock.timer.bind(clock),
  };
  const queue = memoryQueue({ clock: blocking });
  await queue.pushBatch(Array.from({ length: 400 }, () => createJob(1)));
  const waited: number[] = [];
  const handle = ({ reservedAt }: { reservedAt: number | undefined }): void => {
    waited.push(blocking.now() - (reservedAt ?? NaN));
    // Short ones first, so that many are fetched ahead and few starts are measured.
    if (waited.length > 100) blockedMs += 60;
  };
  const worker = new Worker(queue, "default", handle, { lease: 200, stopWhenEmpty: true });
  const run = worker.run();
  for (let n = 0; n < 400 && waited.length < 380; n += 1) await clock.advance(20);
  await Promise.all([worker.stop(), clock.advance("10s"), run]);
  expect(waited.length).toBeGreaterThan(300);
  expect(Math.max(...waited)).toBeLessThan(200);
  await queue.close();
});

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

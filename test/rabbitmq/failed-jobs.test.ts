/** Failed jobs: in the server's own queues, or in the second store; and delays that are longer than the ladder. */
import { describe, expect, it } from "vitest";
import { createJob, memoryQueue, Worker } from "../../src/entry/index.ts";
import { rabbitmqQueue } from "../../src/entry/rabbitmq.ts";
import { silentLogger } from "../../src/runtime/index.ts";
import { virtualClock } from "../../src/testing/virtual-clock.ts";
import { sharedServer } from "../servers/shared-server.ts";
import { BOTH, untilWorks } from "./brokers.ts";
import { freshPrefix } from "./target.ts";

for (const name of BOTH) {
  const server = await sharedServer(name);
  if (server === undefined) continue;
  const settings = (): { prefix: string; settle: 0; logger: typeof silentLogger } => ({
    ...{ prefix: freshPrefix(), settle: 0, logger: silentLogger },
  });

  describe(`failed jobs on ${name} ${server.version}`, () => {
    it("without records: the oldest come back, then all, and the rest is flushed", async () => {
      const queue = await rabbitmqQueue(server.url, settings()).open();
      expect(queue.capabilities.records).toBe(false);
      expect(() => queue.records).toThrow("cannot list");
      for (let i = 0; i < 5; i += 1) {
        await queue.push(createJob(i));
        const job = await queue.pop({ wait: "2s" });
        await job?.fail(new Error("no"));
      }
      // A count is 0 when the queue's leader is silent for 250 ms.
      await expect.poll(async () => (await queue.getStats("default")).failedJobs).toBe(5);
      expect(await queue.retryFailed({ max: 2 })).toBe(2);
      const [first, second] = [await queue.pop({ wait: "2s" }), await queue.pop({ wait: "2s" })];
      expect([first?.payload, second?.payload, first?.attempts]).toEqual([0, 1, 1]);
      await first?.complete();
      await second?.fail(new Error("again"));
      expect(await queue.retryFailed({ queue: "default" })).toBe(4);
      const last = await queue.pop({ wait: "2s" });
      await last?.fail(new Error("no"));
      expect(await queue.flushFailed()).toBe(1);
      expect((await queue.getStats()).failedJobs).toBe(0);
      await queue.close();
    });

    it("with records: each by itself, there and not on the server; retried ones come back to the server", async () => {
      const store = memoryQueue();
      const queue = await rabbitmqQueue(server.url, { ...settings(), records: store }).open();
      expect(queue.capabilities.records).toBe("resting");
      const worker = new Worker(
        queue,
        "default",
        async (job) => {
          if (job.attempts === 1) throw new Error(`no ${String(job.payload)}`);
        },
        { maxAttempts: 1 },
      );
      worker.on("failed", () => undefined);
      await worker.start();
      const jobs = [createJob("a"), createJob("b"), createJob("c")];
      await queue.pushBatch(jobs);
      await untilWorks(async () => {
        if ((await queue.getStats()).failedJobs !== 3) throw new Error("not all have failed");
      }, 20_000);
      await worker.stop();
      const { jobs: failed } = await queue.records.list({ state: "failed", error: "no b" });
      expect(failed.map(({ payload, queue: of, failure }) => [payload, of, failure?.message])).toEqual([
        ["b", "default", "no b"],
      ]);
      expect(await queue.records.remove([failed[0]?.id ?? ""])).toBe(1);
      expect(await queue.records.retry({ queue: "default" })).toBe(2);
      expect((await queue.getStats()).failedJobs).toBe(0);
      // The stopped worker's last wait has left a consumer, which copies back what it gets.
      await expect.poll(async () => (await queue.getStats()).pendingJobs).toBe(2);
      const again = await queue.pop({ wait: "2s" });
      expect([again?.attempts, ["a", "c"].includes(String(again?.payload))]).toEqual([1, true]);
      await queue.close();
      await store.close();
    });

    it("a delay of a month waits in the second store, is listed there, and comes back in time", async () => {
      const clock = virtualClock();
      const store = memoryQueue({ clock });
      const queue = await rabbitmqQueue(server.url, { ...settings(), records: store }).open();
      const job = createJob("later");
      await queue.push(job.addTag("a", "b"), {});
      await (await queue.pop({ wait: "2s" }))?.release("30d");
      await queue.push(createJob("far", { delay: "60d" }));
      expect((await queue.getStats()).delayedJobs).toBe(2);
      const { jobs } = await queue.records.list({ state: "delayed", queue: "default" });
      expect(jobs.map(({ payload, attempts }) => [payload, attempts])).toEqual([
        ["later", 1],
        ["far", 0],
      ]);
      expect(await queue.records.promote([job.id])).toBe(1);
      const now = await queue.pop({ wait: "2s" });
      expect([now?.payload, now?.attempts, now?.tags]).toEqual(["later", 2, { a: "b" }]);
      await now?.complete();
      expect(await queue.clear("default")).toBe(1);
      expect((await queue.getStats()).delayedJobs).toBe(0);
      await queue.close();
      await store.close();
    });
  });
}

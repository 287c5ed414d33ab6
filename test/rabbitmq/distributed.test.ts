/** Jobs on a broker, the cluster beside it: what the broker cannot count or keep single is missing from the metrics, and nothing else is. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { createJob, DistributedQueue } from "jobferry";
import { rabbitmqQueue } from "jobferry/rabbitmq";
import { sqliteCluster } from "jobferry/sqlite";
import { silentLogger } from "../../src/runtime/index.ts";
import { sharedServer } from "../servers/shared-server.ts";
import { BOTH } from "./brokers.ts";
import { freshPrefix } from "./target.ts";

for (const name of BOTH) {
  const server = await sharedServer(name);
  if (server === undefined) continue;

  describe(`a DistributedQueue whose jobs lie on ${name} ${server.version}`, () => {
    const folder = mkdtempSync(join(tmpdir(), "jobferry-rabbitmq-"));
    afterAll(() => rmSync(folder, { recursive: true }));

    it("two nodes run what either pushes; when one stops the other goes on, and the leader samples", async () => {
      const prefix = freshPrefix();
      const ran = new Map<number, string[]>();
      const nodeOf = (nodeId: string) => {
        const queue = rabbitmqQueue(server.url, { prefix, settle: 0, logger: silentLogger });
        const cluster = sqliteCluster(join(folder, "cluster.db"), { nodeId, logger: silentLogger });
        const distributed = new DistributedQueue({
          ...{ cluster, queue, queues: ["mail"], workerCount: 1, metricsInterval: "1s" },
          handler: (job: Readonly<{ payload: unknown }>) => {
            const number = job.payload as number;
            ran.set(number, [...(ran.get(number) ?? []), nodeId]);
          },
        });
        return { queue, distributed };
      };
      const [a, b] = [nodeOf("a"), nodeOf("b")];
      await Promise.all([a.distributed.start(), b.distributed.start()]);
      const push = async (from: number, by: typeof a): Promise<void> => {
        const jobs = Array.from({ length: 200 }, (_, index) => createJob(from + index, { queue: "mail" }));
        await by.distributed.queue.pushBatch(jobs);
      };
      await Promise.all([push(0, a), push(200, b)]);
      await expect.poll(() => ran.size, { timeout: 20_000 }).toBe(400);
      await a.distributed.stop();
      await a.queue.close();
      await push(400, b);
      await expect.poll(() => ran.size, { timeout: 20_000 }).toBe(600);
      expect([...ran.values()].every((by) => by.length === 1)).toBe(true);
      expect([...ran].filter(([number]) => number >= 400).every(([, [by]]) => by === "b")).toBe(true);
      await expect
        .poll(async () => (await b.distributed.getMetrics()).at(-1)?.queues["mail"], { timeout: 20_000 })
        .toMatchObject({ pendingJobs: 0, delayedJobs: 0, failedJobs: 0, reservedJobs: undefined });
      expect(await b.distributed.queue.size("mail")).toBe(0);
      await b.distributed.stop();
      await b.queue.close();
    });
  });
}

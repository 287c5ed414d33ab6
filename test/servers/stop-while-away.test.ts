/** A store that is gone or silent while a worker stops and a queue closes: both end by their deadlines, and the jobs are there afterwards. */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { createJob, type Queue, Worker } from "../../src/entry/index.ts";
import { postgresQueue } from "../../src/entry/postgres.ts";
import { rabbitmqQueue } from "../../src/entry/rabbitmq.ts";
import { redisQueue } from "../../src/entry/redis.ts";
import { Deferred, silentLogger } from "../../src/runtime/index.ts";
import { startTcpProxy } from "../faults/tcp-proxy.ts";
import { sharedServer } from "./shared-server.ts";

const logger = silentLogger;
const name = `away_${randomUUID().slice(0, 8)}`;

const KINDS = {
  postgres: (url: string, own: string): Queue =>
    postgresQueue({ url, logger, schema: `${name}_${own}` }) as unknown as Queue,
  redis: (url: string, own: string): Queue => redisQueue(url, { logger, prefix: `${name}:${own}` }),
  rabbitmq: (url: string, own: string): Queue =>
    rabbitmqQueue(url, { logger, prefix: `${name}_${own}`, settle: 0 }) as unknown as Queue,
} as const;

/** Of a worker's stop and of a queue's close, for what a store does not answer. */
const STORE_MS = 10_000;
/** For a machine that is busy. */
const MARGIN_MS = 3_000;

for (const kind of ["postgres", "redis", "rabbitmq"] as const) {
  const server = await sharedServer(kind);
  if (server === undefined) continue;

  describe.concurrent.each(["gone", "silent"] as const)(`${kind} that is %s`, (how) => {
    it("holds up neither a stop nor a close beyond their time", async () => {
      await using proxy = await startTcpProxy(server);
      const url = new URL(server.url);
      url.port = String(proxy.port);
      const queue = KINDS[kind](url.href, how);
      const ends = new Deferred();
      const started = { deaf: new Deferred(), ends: new Deferred() };
      const worker = new Worker(
        queue,
        "default",
        async (job) => {
          const which = job.payload as keyof typeof started;
          started[which].resolve();
          await (which === "ends" ? ends.promise : new Promise(() => undefined));
        },
        { concurrency: 3, stopTimeout: "500ms", abortGrace: "500ms" },
      );
      worker.on("error", () => undefined);
      await worker.start();
      await queue.pushBatch([createJob("deaf"), createJob("ends")]);
      await Promise.all([started.deaf.promise, started.ends.promise]);

      if (how === "silent") proxy.halfOpen();
      else {
        await proxy.refuse();
        proxy.cut("reset");
      }
      ends.resolve();
      const stopped = performance.now();
      await worker.stop();
      expect(performance.now() - stopped).toBeLessThan(1_000 + STORE_MS + MARGIN_MS);
      expect(worker.status).toBe("stopped");
      const closing = performance.now();
      await queue.close();
      expect(performance.now() - closing).toBeLessThan(2 * STORE_MS + MARGIN_MS);

      // The server hears of the end of what was silent.
      proxy.cut("reset");
      await using other = KINDS[kind](server.url, how);
      // A broker does not count what is done, and what a worker did not tell it comes back with the connection.
      const jobs = async (): Promise<number> => {
        const { completedJobs = 0, pendingJobs = 0, reservedJobs = 0 } = await other.getStats();
        return completedJobs + pendingJobs + reservedJobs;
      };
      const wanted = kind === "rabbitmq" ? 1 : 2;
      const asked = performance.now();
      while ((await jobs()) < wanted && performance.now() - asked < 10_000) await sleep(100);
      expect(await jobs()).toBeGreaterThanOrEqual(wanted);
    });
  });
}

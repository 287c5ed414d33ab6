// An etcd that forgets its history all the time, as one does whose operator keeps it small.
import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { createJob, Worker } from "jobferry";
import { etcdQueue } from "jobferry/etcd";
import { etcdGateway } from "../../scripts/servers/etcd-gateway.ts";
import { silentLogger } from "../../src/runtime/index.ts";
import { isServerAvailable, startServer } from "../servers/shared-server.ts";
import { wait } from "./stage.ts";

const JOBS = 300;

async function compactEvery(ms: number, port: number, over: AbortSignal): Promise<number> {
  let times = 0;
  for (; !over.aborted; times += 1) {
    const { header } = await etcdGateway({ port }, "/v3/kv/range", { key: "AA==" });
    const { revision } = header as Readonly<{ revision: string }>;
    // One that was compacted already refuses.
    await etcdGateway({ port }, "/v3/kv/compaction", { revision, physical: true }).catch(() => undefined);
    await wait(ms);
  }
  return times;
}

test.runIf(await isServerAvailable("etcd"))("a queue works while etcd is compacted every 100 ms", async () => {
  await using server = await startServer("etcd");
  const over = new AbortController();
  const compacted = compactEvery(100, server.port, over.signal);
  await using queue = etcdQueue(server.url, { logger: silentLogger, prefix: `test-${randomUUID()}` });
  const done: unknown[] = [];
  const errors: unknown[] = [];
  const worker = new Worker(queue, "default", async (job) => {
    await wait(20);
    done.push(job.payload);
  });
  worker.on("error", ({ error }) => errors.push(error));
  await worker.start();
  for (let n = 0; n < JOBS; n += 10) {
    // Some come by the watch of what is due, some by that of what was pushed.
    const batch = Array.from({ length: 10 }, (_, i) => createJob(n + i, i < 3 ? { delay: "200ms" } : {}));
    await queue.pushBatch(batch);
    await wait(50);
  }
  await expect.poll(() => done.length, { timeout: 60_000 }).toBe(JOBS);
  await worker.stop();
  over.abort();
  expect(await compacted).toBeGreaterThan(10);
  expect(new Set(done).size).toBe(JOBS);
  expect(errors).toEqual([]);
});

import { createPostgresBackend, withBackend } from "bullmq";
import { peerInSchema, url } from "./own-schema.mjs";

const { Queue, Worker } = withBackend(createPostgresBackend);

/** BullMQ's own backend for PostgreSQL, as in its guide, with finished jobs removed: Jobferry keeps none either. */
export const bullmqPostgres = peerInSchema({
  name: "bullmq on PostgreSQL",
  prefetch: 0,
  async attach({ schema }) {
    const connection = { connectionString: url(), schema, max: 10, migrate: true };
    const queue = new Queue("default", {
      connection,
      defaultJobOptions: { removeOnComplete: true, removeOnFail: true },
    });
    queue.on("error", () => undefined);
    await queue.waitUntilReady();
    const start = async (concurrency, handler) => {
      const worker = new Worker("default", async ({ data }) => handler(data), { connection, concurrency });
      worker.on("error", () => undefined);
      await worker.waitUntilReady();
      return worker;
    };
    return {
      push: (payload) => queue.add("job", payload),
      pushBulk: (payloads) => queue.addBulk(payloads.map((data) => ({ name: "job", data }))),
      async work({ concurrency, handler, confirmed }) {
        const worker = await start(concurrency, handler);
        worker.on("completed", () => confirmed(1));
        return () => worker.close();
      },
      async idleWorker(handler) {
        const worker = await start(1, handler);
        return () => worker.close();
      },
      async left() {
        const counts = await queue.getJobCounts("wait", "active", "delayed", "prioritized", "failed");
        return Object.values(counts).reduce((sum, count) => sum + count, 0);
      },
      close: () => queue.close(),
    };
  },
});

import { createPostgresBackend, withBackend } from "bullmq";
import pg from "pg";

const { Queue, Worker } = withBackend(createPostgresBackend);
let made = 0;

/** BullMQ's own backend for PostgreSQL, as in its guide, with finished jobs removed: Jobferry keeps none either. */
export const bullmqPostgres = {
  name: "bullmq on PostgreSQL",
  async open() {
    const connectionString = process.env.JOBFERRY_BENCH_URL;
    const schema = `bullmq_${process.pid}_${(made += 1)}`;
    const connection = { connectionString, schema, max: 10, migrate: true };
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
      async process({ concurrency, handler, total }) {
        const all = Promise.withResolvers();
        let done = 0;
        const worker = await start(concurrency, handler);
        worker.on("completed", () => {
          done += 1;
          if (done === total) all.resolve();
        });
        await all.promise;
        const ended = performance.now();
        await worker.close();
        return ended;
      },
      async idleWorker(handler) {
        const worker = await start(1, handler);
        return () => worker.close();
      },
      async left() {
        const counts = await queue.getJobCounts("wait", "active", "delayed", "prioritized", "failed");
        return Object.values(counts).reduce((sum, count) => sum + count, 0);
      },
      async close() {
        await queue.close();
        const pool = new pg.Pool({ connectionString });
        await pool.query(`DROP SCHEMA IF EXISTS "${schema}" CASCADE`);
        await pool.end();
      },
    };
  },
};

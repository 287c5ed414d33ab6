import { createPostgresBackend, withBackend } from "bullmq";
import pg from "pg";

const { Queue, Worker } = withBackend(createPostgresBackend);
let made = 0;

/** BullMQ's own backend for PostgreSQL, as in its guide, with finished jobs removed: Jobferry keeps none either. */
export const bullmqPostgres = {
  name: "bullmq on PostgreSQL",
  prefetch: 0,
  async open() {
    const schema = `bullmq_${process.pid}_${(made += 1)}`;
    const parts = await this.attach({ schema });
    return {
      ...parts,
      connection: { schema },
      async close() {
        await parts.close();
        const pool = new pg.Pool({ connectionString: process.env.JOBFERRY_BENCH_URL });
        await pool.query(`DROP SCHEMA IF EXISTS "${schema}" CASCADE`);
        await pool.end();
      },
    };
  },
  async attach({ schema }) {
    const connectionString = process.env.JOBFERRY_BENCH_URL;
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
};

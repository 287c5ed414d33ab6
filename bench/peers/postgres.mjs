import { makeWorkerUtils, run } from "graphile-worker";
import pg from "pg";
import { PgBoss } from "pg-boss";

const url = () => process.env.JOBFERRY_BENCH_URL;
/** Jobs that a worker holds ahead of its slots. */
const AHEAD = 500;
let made = 0;
/** Each open gets tables of its own, and what went before is gone. */
const freshSchema = (name) => `${name}_${process.pid}_${(made += 1)}`;

async function dropping(pool, schema) {
  await pool.query(`DROP SCHEMA IF EXISTS "${schema}" CASCADE`);
}

const silent = { debug() {}, info() {}, warn: console.error, error: console.error };

/** Jobferry with as many jobs fetched ahead as graphile-worker locks ahead. */
export const postgres = {
  name: "jobferry",
  async open() {
    const { postgresQueue } = await import("../../dist/entry/postgres.js");
    const { adapter } = await import("./jobferry.mjs");
    const schema = freshSchema("jobferry");
    const queue = await postgresQueue(url(), { schema }).open();
    const parts = adapter(queue, { prefetch: AHEAD });
    return {
      ...parts,
      async close() {
        await parts.close();
        const pool = new pg.Pool({ connectionString: url() });
        await dropping(pool, schema);
        await pool.end();
      },
    };
  },
};

/** graphile-worker as its own documentation tunes it: 500 jobs locked ahead, completions in batches. */
export const graphile = {
  name: "graphile-worker tuned",
  async open() {
    const schema = freshSchema("graphile");
    const pool = new pg.Pool({ connectionString: url(), max: 20 });
    pool.on("error", () => undefined);
    const { Logger } = await import("graphile-worker");
    const logger = new Logger(() => (level, message) => level === "error" && console.error(message));
    const utils = await makeWorkerUtils({ pgPool: pool, schema, logger });
    await utils.migrate();
    const table = `"${schema}"._private_jobs`;
    const left = async () => Number((await pool.query(`SELECT count(*) AS n FROM ${table}`)).rows[0].n);
    const start = (concurrency, handler) =>
      run({
        pgPool: pool,
        schema,
        logger,
        concurrency,
        noHandleSignals: true,
        taskList: { job: handler },
        parsedCronItems: [],
        preset: {
          worker: {
            schema,
            concurrentJobs: concurrency,
            localQueue: { size: AHEAD },
            completeJobBatchDelay: 0,
            failJobBatchDelay: 0,
          },
        },
      });
    return {
      push: (payload) => utils.addJob("job", payload),
      pushBulk: (payloads) => utils.addJobs(payloads.map((payload) => ({ identifier: "job", payload }))),
      async process({ concurrency, handler, total }) {
        let ran = 0;
        const all = Promise.withResolvers();
        const runner = await start(concurrency, (payload) => {
          handler(payload);
          ran += 1;
          if (ran === total) all.resolve();
        });
        await all.promise;
        // The last completions are on their way.
        while ((await left()) > 0) await new Promise((next) => setTimeout(next, 1));
        const stopped = performance.now();
        await runner.stop();
        return stopped;
      },
      async idleWorker(handler) {
        const runner = await start(1, () => handler());
        return () => runner.stop();
      },
      left,
      async close() {
        await utils.release();
        await dropping(pool, schema);
        await pool.end();
      },
    };
  },
};

/** pg-boss in a loop of its own, because its `work` polls: fetch a batch, run it, complete it. */
export const pgBoss = {
  name: "pg-boss fetch loop",
  async open() {
    const schema = freshSchema("pgboss");
    const boss = new PgBoss({ connectionString: url(), schema, supervise: false, schedule: false, max: 20 });
    boss.on("error", (error) => silent.error(error));
    await boss.start();
    await boss.createQueue("job");
    const pool = new pg.Pool({ connectionString: url() });
    return {
      push: (payload) => boss.send("job", payload),
      pushBulk: (payloads) =>
        boss.insert(
          "job",
          payloads.map((data) => ({ data })),
        ),
      async process({ concurrency, handler }) {
        for (;;) {
          const jobs = await boss.fetch("job", { batchSize: concurrency });
          if (jobs.length === 0) return;
          for (const { data } of jobs) handler(data);
          await boss.complete(
            "job",
            jobs.map(({ id }) => id),
          );
        }
      },
      left: async () =>
        Number((await pool.query(`SELECT count(*) AS n FROM "${schema}".job WHERE state < 'completed'`)).rows[0].n),
      async close() {
        await boss.stop({ graceful: false, close: true });
        await dropping(pool, schema);
        await pool.end();
      },
    };
  },
};

/** The bare statements at the same settings: what is left to gain. No leases that end, no retries, no priorities, no events. */
export const rawLoop = {
  name: "raw SQL loop",
  async open() {
    const schema = freshSchema("raw");
    const pool = new pg.Pool({ connectionString: url() });
    const client = await pool.connect();
    await client.query(`CREATE SCHEMA "${schema}"`);
    await client.query(
      `CREATE TABLE "${schema}".jobs (id bigserial PRIMARY KEY, state integer NOT NULL DEFAULT 0, priority integer NOT NULL DEFAULT 0, lease timestamptz, payload text)`,
    );
    await client.query(`CREATE INDEX ON "${schema}".jobs (priority DESC, id) WHERE state = 0`);
    const insert = { name: "insert", text: `INSERT INTO "${schema}".jobs (payload) VALUES ($1)` };
    const many = { name: "many", text: `INSERT INTO "${schema}".jobs (payload) SELECT unnest($1::text[])` };
    const claim = {
      name: "claim",
      text: `UPDATE "${schema}".jobs SET state = 1, lease = clock_timestamp() + interval '30 s' WHERE id = ANY (ARRAY(
        SELECT id FROM "${schema}".jobs WHERE state = 0 ORDER BY priority DESC, id LIMIT $1 FOR UPDATE SKIP LOCKED)) RETURNING id, payload`,
    };
    const remove = { name: "remove", text: `DELETE FROM "${schema}".jobs WHERE id = ANY ($1::bigint[])` };
    const query = (statement, values) => client.query({ ...statement, values });
    return {
      push: (payload) => query(insert, [JSON.stringify(payload)]),
      pushBulk: (payloads) => query(many, [payloads.map((payload) => JSON.stringify(payload))]),
      async process({ concurrency, handler }) {
        for (;;) {
          const { rows } = await query(claim, [concurrency]);
          if (rows.length === 0) return;
          await Promise.all(rows.map(async ({ payload }) => handler(JSON.parse(payload))));
          await query(remove, [rows.map(({ id }) => id)]);
        }
      },
      left: async () => Number((await client.query(`SELECT count(*) AS n FROM "${schema}".jobs`)).rows[0].n),
      async close() {
        await client.query(`DROP SCHEMA "${schema}" CASCADE`);
        client.release();
        await pool.end();
      },
    };
  },
};

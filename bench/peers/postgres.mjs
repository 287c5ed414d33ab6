import { makeWorkerUtils, run } from "graphile-worker";
import pg from "pg";
import { PgBoss } from "pg-boss";
import { execute, peerInSchema, url } from "./own-schema.mjs";

/** Jobs that a worker holds ahead of its slots. */
const AHEAD = 500;

/** `turn` resolves to the number of jobs that it has ended. Resolves to a function that ends the loop. */
async function looping(turn) {
  let stopped = false;
  const loop = async () => {
    while (!stopped) if ((await turn()) === 0) await new Promise((next) => setTimeout(next, 1));
  };
  const ended = loop();
  return () => {
    stopped = true;
    return ended;
  };
}

const silent = { debug() {}, info() {}, warn: console.error, error: console.error };

/** Jobferry with as many jobs fetched ahead as graphile-worker locks ahead. */
export const postgres = peerInSchema({
  name: "jobferry",
  prefetch: AHEAD,
  async attach({ schema }) {
    const { postgresQueue } = await import("../../dist/entry/postgres.js");
    const { served } = await import("./jobferry.mjs");
    return served(await postgresQueue(url(), { schema }).open(), { prefetch: AHEAD });
  },
});

/** graphile-worker as its own documentation tunes it: 500 jobs locked ahead, completions in batches. */
export const graphile = peerInSchema({
  name: "graphile-worker tuned",
  prefetch: AHEAD,
  async attach({ schema }) {
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
      /** It does not tell when the store has accepted an end. */
      async work({ concurrency, handler }) {
        const runner = await start(concurrency, handler);
        return () => runner.stop();
      },
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
        await pool.end();
      },
    };
  },
});

/** pg-boss in a loop of its own, because its `work` polls: fetch a batch, run it, complete it. */
export const pgBoss = peerInSchema({
  name: "pg-boss fetch loop",
  prefetch: 0,
  async attach({ schema }) {
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
      work: ({ concurrency, handler, confirmed }) =>
        looping(async () => {
          const jobs = await boss.fetch("job", { batchSize: concurrency });
          for (const { data } of jobs) handler(data);
          const ids = jobs.map(({ id }) => id);
          if (ids.length > 0) await boss.complete("job", ids);
          confirmed(ids.length);
          return ids.length;
        }),
      left: async () =>
        Number((await pool.query(`SELECT count(*) AS n FROM "${schema}".job WHERE state < 'completed'`)).rows[0].n),
      async close() {
        await boss.stop({ graceful: false, close: true });
        await pool.end();
      },
    };
  },
});

/** The bare statements at the same settings: what is left to gain. No leases that end, no retries, no priorities, no events. */
export const rawLoop = peerInSchema({
  name: "raw SQL loop",
  prefetch: 0,
  prepare: (schema) =>
    execute(
      `CREATE SCHEMA "${schema}"`,
      `CREATE TABLE "${schema}".jobs (id bigserial PRIMARY KEY, state integer NOT NULL DEFAULT 0, priority integer NOT NULL DEFAULT 0, lease timestamptz, payload text)`,
      `CREATE INDEX ON "${schema}".jobs (priority DESC, id) WHERE state = 0`,
    ),
  async attach({ schema }) {
    const pool = new pg.Pool({ connectionString: url() });
    const client = await pool.connect();
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
      work: ({ concurrency, handler, confirmed }) =>
        looping(async () => {
          const { rows } = await query(claim, [concurrency]);
          await Promise.all(rows.map(async ({ payload }) => handler(JSON.parse(payload))));
          if (rows.length > 0) await query(remove, [rows.map(({ id }) => id)]);
          confirmed(rows.length);
          return rows.length;
        }),
      left: async () => Number((await client.query(`SELECT count(*) AS n FROM "${schema}".jobs`)).rows[0].n),
      async close() {
        client.release();
        await pool.end();
      },
    };
  },
});

import { Kysely, PostgresDialect } from "kysely";
import pg from "pg";
import oldest from "pg-oldest";
import postgres from "postgres";
import { afterAll, describe, expect, test } from "vitest";
import { createJob, type Queue } from "../../src/entry/index.ts";
import {
  type KyselyTransaction,
  type PgTransaction,
  type PostgresJsTransaction,
  type PostgresPool,
  postgresQueue,
  type PostgresTransaction,
} from "../../src/entry/postgres.ts";
import { sharedServer } from "../servers/shared-server.ts";
import { makeDatabase } from "./database.ts";
import { startStopwatch } from "../stalls/stopwatch.ts";

type Run = (work: (transaction: PostgresTransaction) => Promise<void>) => Promise<void>;

class RollBack extends Error {}

const server = await sharedServer("postgres");
describe.runIf(server !== undefined)("postgres: the caller's transaction", async () => {
  if (server === undefined) return;
  const database = await makeDatabase(server, "transactions");
  const { url } = database;
  const queue = await postgresQueue(url).open();
  const sql = postgres(url, { max: 2, onnotice: () => undefined });
  const pool = new pg.Pool({ connectionString: url });
  const oldPool = new oldest.Pool({ connectionString: url });
  for (const each of [pool, oldPool]) each.on("error", () => undefined);
  const db = new Kysely<Record<string, never>>({ dialect: new PostgresDialect({ pool }) });
  await database.query("CREATE TABLE orders (id integer PRIMARY KEY)");
  const plain = new pg.Client(url);
  await plain.connect();
  afterAll(async () => {
    await queue.close();
    await plain.end();
    await Promise.all([sql.end(), pool.end(), oldPool.end()]);
    await database.drop();
  });

  const withPg =
    (from: pg.Pool | oldest.Pool): Run =>
    async (work) => {
      const client: PgTransaction & { release(): void } = await from.connect();
      try {
        await client.query("BEGIN", []);
        await work(client);
        await client.query("COMMIT", []);
      } catch (error) {
        await client.query("ROLLBACK", []);
        throw error;
      } finally {
        client.release();
      }
    };
  const ways: readonly (readonly [string, Run])[] = [
    ["pg", withPg(pool)],
    ["the oldest pg 8", withPg(oldPool)],
    ["postgres.js", (work) => sql.begin((transaction) => work(transaction)) as Promise<void>],
    ["Kysely", (work) => db.transaction().execute((transaction) => work(transaction))],
  ];

  describe.each(ways)("a push in a transaction of %s", (_, run) => {
    test("is stored with it", async () => {
      const jobs = [
        createJob({ text: "ü 🚀 \\ \" '" }, { tags: { "a,b": '"{}\\' } }),
        createJob(Uint8Array.of(0, 255)),
      ];
      await run(async (transaction) => {
        for (const job of jobs) await queue.push(job, { transaction });
        expect(await queue.size()).toBe(0);
      });
      const popped = [await queue.pop({ wait: "2s" }), await queue.pop()];
      expect(popped.map((job) => job?.payload)).toEqual([{ text: "ü 🚀 \\ \" '" }, Uint8Array.of(0, 255)]);
      expect(popped[0]?.tags).toEqual({ "a,b": '"{}\\' });
      for (const job of popped) await job?.complete();
    });

    test("is gone when it is rolled back", async () => {
      const rolledBack = run(async (transaction) => {
        await queue.push(createJob(1), { transaction });
        throw new RollBack("on purpose");
      });
      await expect(rolledBack).rejects.toThrow(RollBack);
      expect(await queue.size()).toBe(0);
    });

    test("wakes a consumer by its commit", async () => {
      const waiting = queue.pop({ wait: "10s" });
      const took = await startStopwatch();
      await run(async (transaction) => void (await queue.push(createJob("woken"), { transaction })));
      const job = await waiting;
      expect(job?.payload).toBe("woken");
      expect(await took()).toBeLessThan(900);
      await job?.complete();
    });
  });

  describe("what is no transaction is refused", () => {
    const push = (transaction: unknown): Promise<unknown> =>
      (queue as Queue<PostgresTransaction>).push(createJob(1), { transaction: transaction as PostgresTransaction });

    test.each([
      ["a pool of pg", () => pool],
      ["Kysely's database", () => db],
      ["postgres.js itself", () => sql],
      ["a number", () => 7],
      ["a client without BEGIN", () => plain],
    ])("%s", async (_name, make) => {
      await expect(push(make())).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
      expect(await queue.size()).toBe(0);
    });
  });

  test("a transaction that has failed: INVALID_ARGUMENT, and nothing is stored", async () => {
    await plain.query("BEGIN");
    await expect(plain.query("SELECT 1 / 0")).rejects.toThrow("division");
    const error: unknown = await queue.push(createJob(1), { transaction: plain }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "INVALID_ARGUMENT", retryable: false });
    expect(String(error)).toContain("Roll it back");
    await plain.query("ROLLBACK");
    expect(await queue.size()).toBe(0);
  });

  test.each(["REPEATABLE READ", "SERIALIZABLE"])("a transaction that is %s", async (level) => {
    await plain.query(`BEGIN ISOLATION LEVEL ${level}`);
    await plain.query("SELECT count(*) FROM orders");
    await queue.push(createJob("outside"));
    await queue.push(createJob("inside"), { transaction: plain });
    await plain.query("COMMIT");
    for (const payload of ["outside", "inside"]) {
      const job = await queue.pop({ wait: "2s" });
      expect(job?.payload).toBe(payload);
      await job?.complete();
    }
  });

  test("the structural types fit the clients", () => {
    const fits = (
      _pool: PostgresPool,
      _oldPool: PostgresPool,
      _pg: PgTransaction,
      _js: PostgresJsTransaction,
      _kysely: KyselyTransaction,
    ): void => undefined;
    type Arguments = Parameters<typeof fits>;
    const given = (client: pg.PoolClient, js: postgres.TransactionSql, kysely: KyselyTransaction): Arguments => [
      pool,
      oldPool,
      client,
      js,
      kysely,
    ];
    expect(given).toBeTypeOf("function");
  });
});

import type { Socket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import pg from "pg";
import oldest from "pg-oldest";
import { afterAll, afterEach, describe, expect, test } from "vitest";
import type { Clock, Logger, Reservation } from "../../src/contract/index.ts";
import { postgresDriver } from "../../src/drivers/postgres/index.ts";
import { createJob, type JobferryError, type Queue, Worker } from "../../src/entry/index.ts";
import {
  type PgTransaction,
  postgresQueue,
  type PostgresQueueOptions,
  type PostgresTransaction,
} from "../../src/entry/postgres.ts";
import { systemClock } from "../../src/runtime/index.ts";
import { startTcpProxy } from "../faults/tcp-proxy.ts";
import { UnheardErrors } from "../faults/unheard-errors.ts";
import { isServerAvailable, sharedServer, startServer } from "../servers/shared-server.ts";
import { makeDatabase } from "./database.ts";
import { startWire } from "./wire.ts";
import { startStopwatch } from "../stalls/stopwatch.ts";

/** Those of the test's own queues; what runs in the database is asked by another. */
const END_OURS = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
  WHERE application_name = 'jobferry' AND datname = current_database()`;
const quiet: Logger = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
const open: Queue<PostgresTransaction>[] = [];
let schemas = 0;

async function openQueue(options: PostgresQueueOptions): Promise<Queue<PostgresTransaction>> {
  const queue = postgresQueue({ logger: quiet, ...options });
  open.push(queue);
  return queue.open();
}

const newSchema = (): string => `connections_${(schemas += 1)}`;

afterEach(async () => {
  await Promise.all(open.splice(0).map((queue) => queue.close()));
});

const streamOf = (client: object): Socket =>
  (client as { readonly connection: { readonly stream: Socket } }).connection.stream;

const until = async (condition: () => boolean, ms: number): Promise<number> => {
  const started = performance.now();
  while (!condition() && performance.now() - started < ms) await pause(5);
  expect(condition()).toBe(true);
  return performance.now() - started;
};

describe.runIf(await isServerAvailable("postgres"))("postgres: a server that goes and comes back", () => {
  test("workers go on within 5 s, pushes meanwhile fail in the stated time, nothing is lost", async () => {
    await using server = await startServer("postgres", { durable: true });
    const queue = await openQueue({ url: server.url, pushTimeout: "1500ms" });
    const ran = new Set<unknown>();
    const worker = new Worker(queue, "default", (job) => void ran.add(job.payload), { concurrency: 4 });
    worker.on("error", () => undefined);
    await worker.start();
    await queue.push(createJob("before"));
    await until(() => ran.has("before"), 5_000);
    await server.kill();
    const took = await startStopwatch();
    await expect(queue.push(createJob("lost?"))).rejects.toMatchObject({ code: "UNAVAILABLE", retryable: true });
    expect(await took()).toBeLessThan(3_000);
    await pause(4_000);
    await server.restart();
    const back = await startStopwatch();
    const other = await openQueue({ url: server.url });
    await other.push(createJob("after"));
    await until(() => ran.has("after"), 30_000);
    expect(await back()).toBeLessThan(5_000);
    await worker.stop();
  });

  test("a server that hangs: pushes and consumers get an answer all the same", async () => {
    await using server = await startServer("postgres");
    const queue = await openQueue({ url: server.url, pushTimeout: "1s", callTimeout: "1s" });
    await server.pause();
    const took = await startStopwatch();
    await expect(queue.push(createJob(1))).rejects.toMatchObject({ code: "UNAVAILABLE", retryable: true });
    expect(await took()).toBeLessThan(3_000);
    await expect(queue.pop({ wait: "100ms" })).rejects.toMatchObject({ code: "UNAVAILABLE", retryable: true });
    await server.resume();
    // The server has to make new connections first.
    await expect.poll(() => queue.push(createJob(2)).then(() => "stored", String), { timeout: 5_000 }).toBe("stored");
    expect(await queue.size()).toBeGreaterThanOrEqual(1);
  });
});

const server = await sharedServer("postgres");
describe.runIf(server !== undefined)("postgres: connections", async () => {
  if (server === undefined) return;
  const database = await makeDatabase(server, "connections");
  const { url } = database;
  afterAll(() => database.drop());

  const killListeners = (): Promise<unknown> =>
    database.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()",
    );
  const listeners = async (): Promise<number> =>
    Number(
      (
        await database.query(
          "SELECT count(*) AS n FROM pg_stat_activity WHERE (query LIKE 'LISTEN%' OR query = 'SELECT 1') AND datname = current_database()",
        )
      )[0]?.["n"],
    );

  test("a consumer is woken across processes long before it would look by itself", async () => {
    const schema = newSchema();
    const consumer = await openQueue({ url, schema, pollInterval: "30s" });
    const producer = await openQueue({ url, schema });
    const waiting = consumer.pop({ wait: "20s" });
    await pause(500);
    const took = await startStopwatch();
    await producer.push(createJob("x"));
    expect((await waiting)?.payload).toBe("x");
    expect(await took()).toBeLessThan(1_000);
  });

  test("a consumer whose LISTEN was lost is found by polling, and listens again", async () => {
    const schema = newSchema();
    const consumer = await openQueue({ url, schema, pollInterval: "500ms" });
    const producer = await openQueue({ url, schema });
    const waiting = consumer.pop({ wait: "20s" });
    await pause(300);
    await killListeners();
    const took = await startStopwatch();
    await producer.push(createJob("found"));
    expect((await waiting)?.payload).toBe("found");
    expect(await took()).toBeLessThan(1_500);
    const again = consumer.pop({ wait: "20s" });
    for (let tries = 0; tries < 100 && (await listeners()) === 0; tries += 1) await pause(50);
    expect(await listeners()).toBe(1);
    await producer.push(createJob("heard"));
    expect((await again)?.payload).toBe("heard");
  });

  test("many pushes of a moment send few notifications, outside of their transactions", async () => {
    const schema = newSchema();
    const listener = new pg.Client(url);
    await listener.connect();
    const producer = await openQueue({ url, schema });
    const heard: string[] = [];
    const { rows } = await listener.query(
      "SELECT 'jobferry_' || left(encode(sha256(convert_to($1, 'UTF8')), 'hex'), 16) AS channel",
      [schema],
    );
    listener.on("notification", ({ payload = "" }) => heard.push(payload));
    await listener.query(`LISTEN "${(rows as { channel: string }[])[0]?.channel}"`);
    const began = performance.now();
    for (let i = 0; i < 100; i += 1) await producer.push(createJob(i));
    const most = (performance.now() - began) / 19 + 2; // one in 20 ms
    await pause(200);
    await listener.query("SELECT 1");
    expect(heard.length).toBeGreaterThan(0);
    expect(heard.length).toBeLessThan(Math.max(60, most));
    await listener.end();
  });

  test("without notify consumers poll, and say so", async () => {
    const schema = newSchema();
    const consumer = await openQueue({ url, schema, notify: false });
    const producer = await openQueue({ url, schema, notify: false });
    expect(consumer.capabilities.wakeup).toEqual({ kind: "poll", pollMs: 200 });
    const waiting = consumer.pop({ wait: "10s" });
    await pause(100);
    const took = await startStopwatch();
    await producer.push(createJob("polled"));
    expect((await waiting)?.payload).toBe("polled");
    expect(await took()).toBeLessThan(450);
  });

  test.each([
    ["newest", () => new pg.Pool({ connectionString: url })],
    ["oldest", () => new oldest.Pool({ connectionString: url })],
  ])("a pool of the %s pg that was handed in stays open, and its lost connections end nothing", async (_, make) => {
    const pool = make();
    const queue = await openQueue({ client: pool, schema: newSchema() });
    await queue.push(createJob({ a: Uint8Array.of(1) }.a));
    await database.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()",
    );
    await expect.poll(() => pool.totalCount).toBe(0);
    const job = await queue.pop({ wait: "5s" });
    expect(job?.payload).toEqual(Uint8Array.of(1));
    await job?.complete();
    await queue.close();
    pool.on("error", () => undefined);
    const client: PgTransaction & { release(): void } = await pool.connect();
    expect((await client.query("SELECT 1 AS one", [])).rows).toEqual([{ one: 1 }]);
    client.release();
    await pool.end();
  });

  test("a connection that is cut without a word: the call ends after callTimeout and the next one goes", async () => {
    const wire = await startWire(server.host, server.port);
    const queue = await openQueue({ url: database.urlBy(wire.port), schema: newSchema(), callTimeout: "500ms" });
    await queue.push(createJob(1));
    wire.silence(true);
    setTimeout(() => wire.silence(false), 800);
    await queue.push(createJob(2));
    expect(await queue.size()).toBe(2);
    await queue.close();
    await wire.close();
  });

  test("a server that ends a connection while its queue is closed ends no process", async () => {
    await using proxy = await startTcpProxy(server);
    const queue = await openQueue({ url: database.urlBy(proxy.port), schema: newSchema() });
    await queue.push(createJob(1));
    using unheard = new UnheardErrors();
    // The server ends the connections before it hears that they end.
    proxy.slow({ latency: 1_000 });
    await queue.close();
    expect(await database.query(END_OURS)).not.toEqual([]);
    await pause(2_500);
    expect(unheard.all).toEqual([]);
  });

  test("a server that ends a connection as soon as it is there ends no process", async () => {
    const wire = await startWire(server.host, server.port);
    using unheard = new UnheardErrors();
    // Ready for queries, and ended: the client reads both at once.
    const held = wire.hold();
    const opening = openQueue({ url: database.urlBy(wire.port), schema: newSchema() });
    const opened = opening.then(
      () => "open",
      (error: unknown) => (error as JobferryError).code,
    );
    await expect.poll(() => held.isReady()).toBe(true);
    expect(await database.query(END_OURS)).not.toEqual([]);
    await expect.poll(() => database.query(END_OURS)).toEqual([]);
    held.release();
    expect(["open", "UNAVAILABLE"]).toContain(await opened);
    expect(unheard.all).toEqual([]);
    await Promise.all(open.splice(0).map((queue) => queue.close()));
    await wire.close();
  });

  test("pool options are passed on", async () => {
    await openQueue({ connection: { connectionString: url, max: 2, application_name: "my-app" }, schema: newSchema() });
    const [row] = await database.query("SELECT count(*) AS n FROM pg_stat_activity WHERE application_name = 'my-app'");
    expect(Number(row?.["n"])).toBeGreaterThan(0);
  });

  test("a pool of one connection: nobody listens, calls go, and it is said once", async () => {
    const schema = newSchema();
    const warned: string[] = [];
    const logger = { ...quiet, warn: (_: object, message: string) => void warned.push(message) };
    const queue = await openQueue({ url, schema, connection: { max: 1 }, logger });
    expect(queue.capabilities.wakeup).toEqual({ kind: "poll", pollMs: 200 });
    const waiting = queue.pop({ wait: "10s" });
    await pause(100);
    const producer = await openQueue({ url, schema });
    const took = await startStopwatch();
    await producer.push(createJob("found"));
    await queue.push(createJob("own"));
    expect((await waiting)?.payload).toBe("found");
    expect(await took()).toBeLessThan(1_500);
    expect(warned.filter((message) => message.includes("single connection"))).toHaveLength(1);
  });

  test("a process that is busy while it finds out whether notifications arrive does not take itself for deaf", async () => {
    const schema = newSchema();
    const warned: string[] = [];
    const logger = { ...quiet, warn: (_: object, message: string) => void warned.push(message) };
    // What the listening connection gets is not read from the moment it listens until the process is busy no more.
    const pool = new pg.Pool({ connectionString: url });
    pool.on("error", () => undefined);
    let unread: Socket | undefined;
    pool.on("connect", (client) => {
      const query = client.query.bind(client) as (asked: pg.QueryConfig) => Promise<pg.QueryResult>;
      const ask = async (asked: pg.QueryConfig): Promise<pg.QueryResult> => {
        const result = await query(asked);
        if (asked.text.startsWith("LISTEN")) unread = streamOf(client).pause();
        return result;
      };
      client.query = ask as never;
    });
    let wasBusy = false;
    // The first short wait is the one for the message to itself.
    const timer: Clock["timer"] = (delayMs, callback, options) => {
      if (delayMs !== 20 || wasBusy) return systemClock.timer(delayMs, callback, options);
      wasBusy = true;
      const busy = (): void => {
        const end = performance.now() + 2_500;
        while (performance.now() < end);
        callback();
        // As the event loop does: first what was waited for goes on, then what came meanwhile is read.
        setImmediate(() => unread?.resume());
      };
      return systemClock.timer(delayMs, busy, options);
    };
    const driver = postgresDriver({ client: pool, schema, pollInterval: "30s" });
    const none = { count: 0, ageMs: 0 };
    await driver.open({ clock: { ...systemClock, timer }, logger, retention: { completed: none, failed: none } });
    const waiting = driver.reserve({ queues: ["default"], max: 1, leaseMs: 60_000, waitMs: 20_000 });
    await until(() => wasBusy, 5_000);
    await pause(3_000);
    expect(warned).toEqual([]);
    const producer = await openQueue({ url, schema });
    const took = await startStopwatch();
    await producer.push(createJob("heard"));
    expect((await waiting).reservations).toHaveLength(1);
    expect(await took()).toBeLessThan(5_000);
    await driver.close();
    await pool.end();
  });

  test("two schemas with long names that begin alike, on one connection", async () => {
    const pool = new pg.Pool({ connectionString: url, max: 1 });
    pool.on("error", () => undefined);
    const [one, two] = await Promise.all(
      ["1", "2"].map((end) => openQueue({ client: pool, schema: `${"long".repeat(15)}${end}`, notify: false })),
    );
    await one?.push(createJob("one"));
    await two?.push(createJob("two"));
    expect((await one?.pop())?.payload).toBe("one");
    expect((await two?.pop())?.payload).toBe("two");
    await Promise.all(open.splice(0).map((queue) => queue.close()));
    await pool.end();
  });

  test("a finish and an extend of the same jobs do not wait for each other", async () => {
    const schema = newSchema();
    const queue = await openQueue({ url, schema });
    await queue.pushBatch([createJob(1), createJob(2)]);
    const driver = postgresDriver({ url, schema, notify: false });
    const none = { count: 0, ageMs: 0 };
    await driver.open({ clock: systemClock, logger: quiet, retention: { completed: none, failed: none } });
    const { reservations } = await driver.reserve({ queues: ["default"], max: 2, leaseMs: 60_000, waitMs: 0 });
    const [low, high] = reservations;
    if (low === undefined || high === undefined) throw new Error("two jobs were pushed");
    const client = new pg.Client(url);
    await client.connect();
    const extend = ({ token }: Reservation): Promise<unknown> =>
      client.query(`SELECT ${schema}.extend(ARRAY[${String(token)}]::bigint[], ARRAY[60000])`);
    await client.query("BEGIN");
    await extend(low);
    // The later job is deleted, the earlier one handed back: by two statements.
    const finishing = driver.finish([
      { reservation: high, outcome: "done" },
      { reservation: low, outcome: "release", delayMs: 60_000 },
    ]);
    for (let tries = 0; tries < 200; tries += 1) {
      const [waiting] = await database.query("SELECT count(*) AS n FROM pg_locks WHERE NOT granted");
      if (Number(waiting?.["n"]) > 0) break;
      await pause(10);
    }
    await extend(high);
    await client.query("COMMIT");
    expect(await finishing).toEqual(["ok", "ok"]);
    await client.end();
    await driver.close();
  });
});

describe.runIf(await isServerAvailable("postgres"))("postgres: a server that is read-only for a while", () => {
  test("as in a fail-over: pushes wait for it, workers go on, ends are not forgotten", async () => {
    await using server = await startServer("postgres", { durable: true });
    const admin = new pg.Client(server.url);
    await admin.connect();
    const readOnly = async (value: "on" | "off"): Promise<void> => {
      await admin.query("SET default_transaction_read_only = off");
      await admin.query(`ALTER SYSTEM SET default_transaction_read_only = ${value}`);
      await admin.query("SELECT pg_reload_conf()");
    };
    const queue = await openQueue({ url: server.url });
    const ran: unknown[] = [];
    const work = async ({ payload }: { readonly payload: unknown }): Promise<void> => {
      if (payload === "held") await pause(1_000);
      ran.push(payload);
    };
    const worker = new Worker(queue, "default", work, { concurrency: 4 });
    worker.on("error", () => undefined);
    await worker.start();
    await queue.push(createJob("held"));
    await pause(300);
    await readOnly("on");
    await pause(200);
    const pushing = queue.push(createJob("meanwhile"));
    await pause(2_000);
    await readOnly("off");
    await pushing;
    await until(() => ran.length === 2, 5_000);
    await worker.stop();
    expect(await queue.getStats()).toMatchObject({ completedJobs: 2, reservedJobs: 0, pendingJobs: 0 });
    await admin.end();
  });
});

const proxied = await sharedServer("postgres-pgbouncer");
describe.runIf(proxied !== undefined)("postgres-pgbouncer: a proxy that pools transactions", async () => {
  if (proxied === undefined) return;
  const database = await makeDatabase(proxied, "pooled");
  const { url } = database;
  afterAll(() => database.drop());

  test("everything works, by polling, and the driver says so", async () => {
    const schema = newSchema();
    const warned: string[] = [];
    const logger = { ...quiet, warn: (_: object, message: string) => void warned.push(message) };
    const queue = await openQueue({ url, schema, logger });
    const other = await openQueue({ url, schema, notify: false });
    const ran = new Set<number>();
    const worker = new Worker(queue, "default", (job) => void ran.add(job.payload as number), { concurrency: 8 });
    await worker.start();
    await until(() => warned.length > 0, 10_000);
    await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        other.pushBatch(Array.from({ length: 20 }, (__, k) => createJob(i * 20 + k))),
      ),
    );
    await until(() => ran.size === 400, 10_000);
    expect(warned.filter((message) => message.includes("notifications do not arrive"))).toHaveLength(1);
    await worker.stop();
    expect(await queue.getStats()).toMatchObject({ completedJobs: 400, pendingJobs: 0, reservedJobs: 0 });
  });

  test("schemas with names that begin alike never get each other's jobs", async () => {
    const queues = await Promise.all(
      ["1", "2", "3"].map((end) => openQueue({ url, schema: `${"alike".repeat(12)}${end}`, notify: false })),
    );
    for (let round = 0; round < 40; round += 1) await Promise.all(queues.map((queue, i) => queue.push(createJob(i))));
    for (const [i, queue] of queues.entries()) {
      const jobs = await queue.popBatch(100);
      expect(jobs.map(({ payload }) => payload)).toEqual(Array.from({ length: 40 }, () => i));
    }
  });

  test("a push inside the caller's transaction", async () => {
    const schema = newSchema();
    const queue = await openQueue({ url, schema, notify: false });
    const client = new pg.Client(url);
    await client.connect();
    await client.query("BEGIN");
    await queue.push(createJob("inside"), { transaction: client });
    expect(await queue.size()).toBe(0);
    await client.query("COMMIT");
    expect((await queue.pop({ wait: "2s" }))?.payload).toBe("inside");
    await client.end();
  });
});

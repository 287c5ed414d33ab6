/** What the driver holds is always somebody's: told to the caller, or given back, whatever fails beside it. */
import type { EventEmitter } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { connect } from "amqplib";
import { afterAll, describe, expect, it } from "vitest";
import type { Capabilities, Driver, FinishItem, Reservation, StoredJob } from "../../src/contract/index.ts";
import { memoryDriver } from "../../src/drivers/memory/memory-driver.ts";
import { sqliteDriver } from "../../src/drivers/sqlite/index.ts";
import { rabbitmqDriver } from "../../src/drivers/rabbitmq/index.ts";
import type { AmqpClient } from "../../src/drivers/rabbitmq/index.ts";
import { OpenBroker } from "../../src/drivers/rabbitmq/open-broker.ts";
import { resolveOptions } from "../../src/drivers/rabbitmq/options.ts";
import { silentLogger, systemClock } from "../../src/runtime/index.ts";
import { startTcpProxy } from "../faults/tcp-proxy.ts";
import { sharedServer } from "../servers/shared-server.ts";
import { beside, BOTH, codeOf, drain, item, makeQueue, opened, takeOne, untilWorks } from "./brokers.ts";
import { freshPrefix } from "./target.ts";

const KEEP = { count: Infinity, ageMs: Infinity };
const CONTEXT = { clock: systemClock, logger: silentLogger, retention: { completed: KEEP, failed: KEEP } };

const failureOf = (reservation: Reservation): FinishItem => ({
  ...{ reservation, outcome: "fail" },
  failure: { code: "HANDLER_FAILED", name: "Error", message: "no", stack: undefined },
});

for (const name of BOTH) {
  const server = await sharedServer(name);
  if (server === undefined) continue;

  describe(`what a driver holds on ${name} ${server.version}`, () => {
    it("a queue that is refused does not hide the jobs of the one before it", async () => {
      const { driver, prefix } = await opened({ url: server.url });
      const { channel, close } = await beside(server.url);
      await channel.assertQueue(`${prefix}.jobs.foreign`, { durable: true });
      await driver.push([item({ id: "a" })]);
      const request = { queues: ["work", "foreign"], max: 5, leaseMs: 30_000, waitMs: 200 };
      const { reservations } = await driver.reserve(request);
      expect(reservations.map(({ job }) => job.id)).toEqual(["a"]);
      expect(await driver.finish(reservations.map((reservation) => ({ reservation, outcome: "done" })))).toEqual([
        "ok",
      ]);
      expect(await codeOf(driver, driver.reserve(request))).toBe("STORE_FOREIGN");
      // Nobody waits on the first queue after that error, so nothing may take its jobs.
      await driver.push([item({ id: "b" })]);
      await pause(200);
      // A count is 0 when the queue's leader is silent for 250 ms.
      await expect.poll(async () => (await driver.stats("work")).pending).toBe(1);
      await channel.deleteQueue(`${prefix}.jobs.foreign`);
      expect((await takeOne(driver)).job, "nobody had it meanwhile").toMatchObject({ id: "b", attempts: 1 });
      await driver.close();
      await close();
    });

    it("a job that the second store cannot take yet is held, and loses no more lives by that", async () => {
      const [prefix, other] = [freshPrefix(), memoryDriver()];
      const capabilities = await other.open(CONTEXT);
      const make = async (): Promise<Driver> => {
        const driver = rabbitmqDriver(
          { url: server.url, prefix, settle: 0 },
          { driver: other, open: async () => capabilities },
        );
        await driver.open(CONTEXT);
        return driver;
      };
      const [driver, dying] = [await make(), await make()];
      const last = item({ id: "a", maxLosses: 1 });
      await driver.push([last]);
      await driver.finish([failureOf(await takeOne(driver))]);
      // As a process leaves it that dies when it has written the job there and not failed it yet; its connection brings the job back.
      expect(await other.records?.retry(["a"])).toBe(1);
      const place = { queues: [`rabbitmq ${prefix} failed/work`], max: 1, leaseMs: 2_000, waitMs: 0 };
      expect((await other.reserve(place)).reservations.length).toBe(1);
      await dying.push([last]);
      await takeOne(dying);
      await dying.close();
      const died: StoredJob[] = [];
      await untilWorks(async () => {
        died.push(...(await driver.reserve({ queues: ["work"], max: 5, leaseMs: 30_000, waitMs: 500 })).died);
        expect(died.length).toBe(1);
      }, 20_000);
      expect(died.map(({ id, losses, failure }) => [id, losses, failure?.code])).toEqual([["a", 1, "LEASE_EXPIRED"]]);
      expect((await other.records?.get("a"))?.state).toBe("failed");
      await driver.close();
      await other.close();
    });

    it("a job that comes between a parked wait and the next one is that one's, and nobody else's", async () => {
      const broker = new OpenBroker(
        resolveOptions({ url: server.url, prefix: freshPrefix(), settle: 0 }),
        CONTEXT,
        undefined,
      );
      await broker.open();
      const connection = await broker.control();
      await broker.topology.ensure(connection, "work", "jobs");
      const session = broker.session();
      const address = broker.names.live("work");
      session.park("work", await session.waiting("work", address));
      const draw = await session.waiting("work", address);
      await broker.pushing.push([item({ id: "a" })]);
      await pause(100);
      await draw.atLeast(1);
      expect(draw.taken).toHaveLength(1);
      expect((await broker.reserve({ queues: ["work"], max: 5, leaseMs: 1_000, waitMs: 0 })).reservations).toEqual([]);
      await broker.close();
    });

    it("a job that comes for nobody and cannot be given back now is held, and loses no life by that", async () => {
      const { driver, prefix, publisher } = await withPublisher(server.url);
      const other = await opened({ url: server.url, prefix });
      await parkConsumer(driver, server.url, prefix);
      publisher.leave();
      await other.driver.push([item({ id: "a" })]);
      await pause(700);
      expect((await other.driver.stats("work")).pending).toBe(0);
      publisher.comeBack();
      const { job } = await takeOne(other.driver, 10_000);
      expect([job.id, job.losses, job.attempts]).toEqual(["a", 0, 1]);
      await Promise.all([driver.close(), other.driver.close()]);
    });

    it("a job without a life left that cannot go back is never had by anybody here", async () => {
      const { driver, prefix, publisher } = await withPublisher(server.url);
      const [other, dying] = [await opened({ url: server.url, prefix }), await opened({ url: server.url, prefix })];
      await other.driver.push([item({ id: "a", maxLosses: 1 })]);
      await takeOne(dying.driver);
      const any = { queues: ["work"], max: 5, free: 5, leaseMs: 30_000 };
      await parkConsumer(driver, server.url, prefix, 1);
      publisher.leave();
      await dying.driver.close(); // its job comes to the consumer that nobody waits for
      await pause(300);
      expect((await driver.reserve({ ...any, waitMs: 100 })).reservations).toEqual([]);
      publisher.comeBack();
      await untilWorks(async () => expect((await driver.reserve({ ...any, waitMs: 500 })).died.length).toBe(1), 20_000);
      await Promise.all([driver.close(), other.driver.close()]);
    });

    it("a job that cannot go back is had by the next call that has room for it", async () => {
      const { driver, prefix, publisher } = await withPublisher(server.url);
      const other = await opened({ url: server.url, prefix });
      const one = { queues: ["work", "mails"], max: 1, leaseMs: 30_000, waitMs: 30_000 };
      for (const queue of one.queues) {
        await makeQueue(driver, queue);
        await untilConsumed(server.url, prefix, 0, queue);
      }
      const first = driver.reserve(one);
      for (const queue of one.queues) await untilConsumed(server.url, prefix, 1, queue);
      publisher.leave();
      // Both consumers get one, or the second gets it when nobody waits any more.
      await other.driver.push([item({ id: "a" }), item({ id: "b", queue: "mails" })]);
      const had = [...(await first).reservations];
      await pause(300);
      had.push(...(await driver.reserve(one)).reservations);
      const jobs = had.map(({ job }) => `${job.id}: ${job.losses} lost, attempt ${job.attempts}`);
      expect(new Set(jobs)).toEqual(new Set(["a: 0 lost, attempt 1", "b: 0 lost, attempt 1"]));
      const done = had.map((reservation) => ({ reservation, outcome: "done" }) as const);
      expect(await driver.finish(done)).toEqual(["ok", "ok"]);
      expect((await other.driver.stats()).pending).toBe(0);
      await Promise.all([driver.close(), other.driver.close()]);
    });

    it("a copy that is on its way when an alarm begins is waited for, and not sent twice", async () => {
      await using proxy = await startTcpProxy(server);
      const clients: AmqpClient[] = [];
      const through = async (): Promise<AmqpClient> => {
        const client = await connect(clients.length === 0 ? `amqp://127.0.0.1:${proxy.port}` : server.url);
        clients.push(client);
        return client;
      };
      const { driver, prefix } = await opened({ connect: through });
      const other = await opened({ url: server.url, prefix });
      await parkConsumer(driver, server.url, prefix);
      proxy.slow({ latency: 600 });
      await other.driver.push([item({ id: "a" })]);
      await pause(300);
      emitterOf(clients[0]).emit("blocked", "memory");
      await pause(300);
      emitterOf(clients[0]).emit("unblocked");
      const ids: string[] = [];
      await untilWorks(async () => {
        ids.push(...(await drain(other.driver)));
        expect(ids.length).toBeGreaterThan(0);
      }, 20_000);
      await pause(2_000);
      ids.push(...(await drain(other.driver)));
      expect(ids).toEqual(["a"]);
      await proxy.pass();
      await Promise.all([driver.close(), other.driver.close()]);
    });

    it("a job whose end could not be written for a whole lease comes again, with one loss", async () => {
      const { driver, store } = await withRecords(server.url);
      store.refuses = true;
      await driver.push([item({ id: "a" })]);
      const { reservations } = await driver.reserve({ queues: ["work"], max: 1, leaseMs: 600, waitMs: 2_000 });
      const [held] = reservations;
      if (held === undefined) throw new Error("no job came");
      expect(await driver.finish([failureOf(held)])).toEqual(["unknown"]);
      const none = await driver.reserve({ queues: ["work"], max: 1, leaseMs: 600, waitMs: 100 });
      expect(none.reservations).toEqual([]);
      await pause(600);
      const again = await takeOne(driver);
      expect([again.job.id, again.job.losses]).toEqual(["a", 1]);
      expect(await driver.finish([failureOf(held)])).toEqual(["lost"]);
      store.refuses = false;
      expect(await driver.finish([failureOf(again)])).toEqual(["ok"]);
      await driver.close();
    });

    it("a release whose connection is lost before its copy is sent leaves no copy", async () => {
      const clients: AmqpClient[] = [];
      const { promise: allowed, resolve: allow } = Promise.withResolvers<void>();
      const driver = rabbitmqDriver({
        ...{ prefix: freshPrefix(), settle: 0 },
        connect: async () => {
          // Both are made again: the one that publishes has to wait.
          if (clients.length === 2) await allowed;
          const client = await connect(server.url);
          clients.push(client);
          return client;
        },
      });
      await driver.open(CONTEXT);
      await driver.push([item({ id: "a" })]);
      const held = await takeOne(driver);
      cutOff(clients[0]);
      await pause(50);
      const released = driver.finish([{ reservation: held, outcome: "release", delayMs: 0 }]);
      await pause(50);
      cutOff(clients[1]);
      await pause(50);
      allow();
      expect(await released).toEqual(["unknown"]);
      const again = await takeOne(driver);
      expect([again.job.id, again.job.losses]).toEqual(["a", 1]);
      expect((await driver.stats("work")).pending).toBe(0);
      await driver.close();
    });

    it("failed jobs that cannot go back now stay where they are", async () => {
      let refuses = false;
      const clients: AmqpClient[] = [];
      const driver = rabbitmqDriver({
        ...{ prefix: freshPrefix(), settle: 0 },
        connect: async () => {
          if (refuses) throw new Error("Socket closed");
          const client = await connect(server.url);
          clients.push(client);
          return client;
        },
      });
      await driver.open(CONTEXT);
      await driver.push([item({ id: "a" }), item({ id: "b" })]);
      for (let i = 0; i < 2; i += 1) expect(await driver.finish([failureOf(await takeOne(driver))])).toEqual(["ok"]);
      refuses = true;
      // The first is the one that publishes.
      cutOff(clients[0]);
      await pause(100);
      await expect(driver.deadLetters?.retry({ queue: "work", max: 10 })).rejects.toThrow("Try again");
      await untilWorks(async () => {
        // RabbitMQ 4 puts what was given back into its place a moment later.
        expect((await driver.stats("work")).failed).toBe(2);
      }, 20_000);
      refuses = false;
      expect(await driver.deadLetters?.retry({ queue: "work", max: 10 })).toBe(2);
      await driver.close();
    });
  });

  describe(`the second store of ${name} ${server.version}`, () => {
    it("that is away does not make a release unknown, and so double", async () => {
      const { driver, store } = await withRecords(server.url);
      await driver.push([item({ id: "a" }), item({ id: "b" })]);
      const { reservations } = await driver.reserve({ queues: ["work"], max: 2, leaseMs: 30_000, waitMs: 2_000 });
      const [first, second] = reservations;
      if (first === undefined || second === undefined) throw new Error("two jobs should have come");
      store.refuses = true;
      const finish = [{ reservation: first, outcome: "release", delayMs: 0 } as const, failureOf(second)];
      expect(await driver.finish(finish)).toEqual(["ok", "unknown"]);
      store.refuses = false;
      expect(await driver.finish([failureOf(second)])).toEqual(["ok"]);
      await expect.poll(() => driver.stats("work")).toMatchObject({ pending: 1, failed: 1 });
      await driver.close();
    });

    it("a retried job that fails before it is away there is not lost", async () => {
      const { driver, store } = await withRecords(server.url);
      await driver.push([item({ id: "a" })]);
      await driver.finish([failureOf(await takeOne(driver))]);
      const leaving = store.holdBackDone();
      const retried = driver.records?.retry(["a"]);
      // In the broker again, and not yet away in the second store.
      const again = await takeOne(driver);
      expect(await driver.finish([failureOf(again)])).toEqual(["unknown"]);
      leaving();
      expect(await retried).toBe(1);
      expect(await driver.finish([failureOf(again)])).toEqual(["ok"]);
      expect((await driver.records?.get("a"))?.state).toBe("failed");
      expect(await driver.stats("work")).toMatchObject({ pending: 0, failed: 1 });
      await driver.close();
    });

    it("that keeps what is completed does not take an old stay for the new one", async () => {
      const { driver } = await withRecords(server.url);
      await driver.push([item({ id: "a", delayMs: 30 * 86_400_000 })]);
      expect(await driver.records?.promote(["a"])).toBe(1);
      const promoted = await takeOne(driver);
      expect(await driver.finish([{ reservation: promoted, outcome: "release", delayMs: 30 * 86_400_000 }])).toEqual([
        "ok",
      ]);
      expect((await driver.records?.get("a"))?.state).toBe("delayed");
      expect(await driver.records?.promote(["a"])).toBe(1);
      expect(await driver.finish([failureOf(await takeOne(driver))])).toEqual(["ok"]);
      expect((await driver.records?.get("a"))?.state).toBe("failed");
      await driver.close();
    });

    it("whose own job has the same id: the job stays in the broker", async () => {
      const { driver, store } = await withRecords(server.url);
      await store.driver.push([item({ id: "a", queue: "of its own" })]);
      await driver.push([item({ id: "a" })]);
      const held = await takeOne(driver);
      expect(await driver.finish([failureOf(held)])).toEqual(["unknown"]);
      await store.driver.clear("of its own");
      expect(await driver.finish([failureOf(held)])).toEqual(["ok"]);
      expect((await driver.records?.get("a"))?.state).toBe("failed");
      await driver.close();
    });

    it("prunes by its own options when the broker's upkeep runs", async () => {
      const folder = mkdtempSync(join(tmpdir(), "jobferry-records-"));
      const own = sqliteDriver({ path: join(folder, "records.db") });
      const retention = { completed: KEEP, failed: { count: 1, ageMs: Infinity } };
      let opening: Promise<Capabilities> | undefined;
      const second = { driver: own as Driver, open: () => (opening ??= own.open({ ...CONTEXT, retention })) };
      const driver = rabbitmqDriver({ url: server.url, prefix: freshPrefix(), settle: 0 }, second);
      await driver.open(CONTEXT);
      await driver.push(["a", "b", "c"].map((id) => item({ id })));
      for (let i = 0; i < 3; i += 1) expect(await driver.finish([failureOf(await takeOne(driver))])).toEqual(["ok"]);
      expect((await driver.stats("work")).failed).toBe(3);
      await driver.maintain({ max: 100 });
      expect((await driver.stats("work")).failed).toBe(1);
      await driver.close();
      await own.close();
      rmSync(folder, { recursive: true });
    });

    it("what it could not keep when it fails is refused at the push", async () => {
      const memory = memoryDriver();
      const capabilities = await memory.open(CONTEXT);
      const open = async (): Promise<Capabilities> => ({ ...capabilities, payload: { maxBytes: 1_000 } });
      const driver = rabbitmqDriver({ url: server.url, prefix: freshPrefix(), settle: 0 }, { driver: memory, open });
      expect((await driver.open(CONTEXT)).payload.maxBytes).toBe(1_000);
      const [large, small] = [item({ payload: new Uint8Array(1_001) }), item({ payload: new Uint8Array(1_000) })];
      const results = await driver.push([large, small]);
      expect(results).toMatchObject([
        { status: "refused", error: { code: "PAYLOAD_TOO_LARGE" } },
        { status: "stored" },
      ]);
      await driver.close();
      await memory.close();
    });

    it("what a process that died in a retry left pending there is failed again by the next upkeep", async () => {
      const { driver, store } = await withRecords(server.url);
      await driver.push([item({ id: "a" })]);
      expect(await driver.finish([failureOf(await takeOne(driver))])).toEqual(["ok"]);
      expect(await store.driver.records?.retry(["a"])).toBe(1);
      expect(await driver.stats("work")).toMatchObject({ pending: 0, failed: 0 });
      await driver.maintain({ max: 10 });
      expect((await driver.records?.get("a"))?.state).toBe("failed");
      expect(await driver.records?.retry(["a"])).toBe(1);
      expect((await takeOne(driver)).job.id).toBe("a");
      await driver.close();
    });

    it("a far delay that was woken too early goes on waiting there", async () => {
      const { driver, store } = await withRecords(server.url);
      await driver.push([item({ id: "a", delayMs: 30 * 86_400_000 })]);
      expect(await store.driver.records?.promote(["a"])).toBe(1);
      await driver.maintain({ max: 10 });
      expect(await driver.stats("work")).toMatchObject({ pending: 0, delayed: 1 });
      expect((await driver.records?.get("a"))?.state).toBe("delayed");
      await driver.close();
    });
  });
}

/** A wait that nobody wants any more leaves its consumer behind. `holding`: how many others hold a job of the queue. */
async function parkConsumer(driver: Driver, url: string, prefix: string, holding = 0): Promise<void> {
  await makeQueue(driver);
  await untilConsumed(url, prefix, holding);
  const over = new AbortController();
  const request = { queues: ["work"], max: 1, leaseMs: 30_000, waitMs: 60_000, signal: over.signal };
  const waiting = driver.reserve(request);
  await untilConsumed(url, prefix, holding + 1);
  over.abort();
  expect((await waiting).reservations).toEqual([]);
}

/** Until the queue has so many consumers. One that is cancelled counts as long as it holds a job. */
async function untilConsumed(url: string, prefix: string, count: number, queue = "work"): Promise<void> {
  const { channel, close } = await beside(url);
  const consumers = async (): Promise<number> => (await channel.checkQueue(`${prefix}.jobs.${queue}`)).consumerCount;
  await expect.poll(consumers).toBe(count);
  await close();
}

type Publisher = Readonly<{ leave: () => void; comeBack: () => void }>;

/** Its publishing connection can be cut, and is not made again before it may come back. */
async function withPublisher(url: string): Promise<Readonly<{ driver: Driver; prefix: string; publisher: Publisher }>> {
  const clients: AmqpClient[] = [];
  let isAway = false;
  const through = async (): Promise<AmqpClient> => {
    if (isAway) throw new Error("away");
    const client = await connect(url);
    clients.push(client);
    return client;
  };
  const { driver, prefix } = await opened({ connect: through });
  const leave = (): void => {
    isAway = true;
    cutOff(clients[0]); // made first, by open()
  };
  return { driver, prefix, publisher: { leave, comeBack: () => void (isAway = false) } };
}

function cutOff(client: AmqpClient | undefined): void {
  if (client === undefined) throw new Error("There is no such connection.");
  (client.connection as unknown as { stream: { destroy(error: Error): void } }).stream.destroy(new Error("cut"));
}

function emitterOf(client: AmqpClient | undefined): EventEmitter {
  if (client === undefined) throw new Error("There is no such connection.");
  return client as unknown as EventEmitter;
}

type Second = { readonly driver: Driver; refuses: boolean; holdBackDone(): () => void };

const opens: Driver[] = [];
afterAll(() => Promise.all(opens.map((driver) => driver.close())));

/** With a second store in memory that keeps everything; it can refuse pushes, and be slow to let go. */
async function withRecords(url: string): Promise<Readonly<{ driver: Driver; store: Second }>> {
  const memory = memoryDriver();
  let opening: Promise<Capabilities> | undefined;
  let gate: Promise<void> | undefined;
  const store: Second = {
    driver: memory,
    refuses: false,
    holdBackDone() {
      const { promise, resolve } = Promise.withResolvers<void>();
      gate = promise;
      return resolve;
    },
  };
  const push = memory.push.bind(memory);
  const finish = memory.finish.bind(memory);
  memory.push = async (jobs) => {
    if (store.refuses) throw new Error("the second store is away");
    return push(jobs);
  };
  memory.finish = async (items) => {
    if (items.some(({ outcome }) => outcome === "done")) await gate;
    return finish(items);
  };
  const second = { driver: memory, open: () => (opening ??= memory.open(CONTEXT)) };
  const driver = rabbitmqDriver({ url, prefix: freshPrefix(), settle: 0 }, second);
  await driver.open(CONTEXT);
  opens.push(memory);
  return { driver, store };
}

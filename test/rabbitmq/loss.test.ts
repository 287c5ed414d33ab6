/** Lost, cut and frozen connections, a server that is killed: nothing crashes, nothing hangs, nothing that resolved is lost. */
import type { Socket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { connect } from "amqplib";
import type { ChannelModel } from "amqplib";
import { describe, expect, it } from "vitest";
import { createJob, Worker } from "../../src/entry/index.ts";
import { rabbitmqQueue } from "../../src/entry/rabbitmq.ts";
import { silentLogger } from "../../src/runtime/index.ts";
import { startTcpProxy } from "../faults/tcp-proxy.ts";
import { UnheardErrors } from "../faults/unheard-errors.ts";
import type { ServerAddress } from "../../scripts/servers/server.ts";
import { isServerAvailable, sharedServer, startServer } from "../servers/shared-server.ts";
import { beside, BOTH, codeOf, drain, item, makeQueue, opened, takeOne, untilWorks } from "./brokers.ts";
import { freshPrefix } from "./target.ts";
import { startStopwatch } from "../stalls/stopwatch.ts";

/** As `rabbitmqctl close_connection` and the button of the management pages do. The API learns of a connection some seconds after it was made. */
async function closeByOperator({ url, endpoints }: ServerAddress, client: ChannelModel): Promise<void> {
  const { localPort } = (client.connection as unknown as { stream: Socket }).stream;
  const name = encodeURIComponent(`127.0.0.1:${localPort} -> 127.0.0.1:${new URL(url).port}`);
  const headers = { authorization: `Basic ${Buffer.from("guest:guest").toString("base64")}` };
  await untilWorks(async () => {
    const answer = await fetch(`${endpoints["management"]}/api/connections/${name}`, { method: "DELETE", headers });
    if (answer.status !== 204) throw new Error(`the API answered ${answer.status}`);
  }, 20_000);
}

/** Without the driver: a message that the server confirms in a quorum queue of its own. */
async function writeBeside(url: string): Promise<void> {
  const { channel, close } = await beside(url);
  try {
    await channel.assertQueue("beside", { durable: true, arguments: { "x-queue-type": "quorum" } });
    channel.sendToQueue("beside", Buffer.from("x"), { persistent: true });
    await channel.waitForConfirms();
  } finally {
    await close();
  }
}

for (const name of BOTH) {
  const server = await sharedServer(name);
  if (server === undefined) continue;

  describe(`a connection to ${name} ${server.version}`, () => {
    it("cut: what was held is lost and comes again with one loss, and the driver goes on", async () => {
      await using proxy = await startTcpProxy(server);
      const { driver } = await opened({ url: `amqp://127.0.0.1:${proxy.port}` });
      await driver.push([item({ id: "a" })]);
      const held = await takeOne(driver);
      proxy.cut("reset");
      await pause(50);
      expect(await driver.finish([{ reservation: held, outcome: "done" }])).toEqual(["lost"]);
      expect(await driver.extend([{ reservation: held, leaseMs: 1_000 }])).toEqual(["lost"]);
      const again = await untilWorks(() => takeOne(driver), 20_000);
      expect([again.job.id, again.job.losses, again.job.attempts]).toEqual(["a", 1, 2]);
      expect(await driver.finish([{ reservation: held, outcome: "done" }])).toEqual(["lost"]);
      expect(await driver.finish([{ reservation: again, outcome: "done" }])).toEqual(["ok"]);
      await driver.close();
    });

    it("lost with many jobs: another process takes no more of them than it has free slots, so its end costs no other job a life", async () => {
      await using proxy = await startTcpProxy(server);
      const first = await opened({ url: `amqp://127.0.0.1:${proxy.port}` });
      await first.driver.push(Array.from({ length: 30 }, () => item()));
      const all = { queues: ["work"], max: 30, leaseMs: 30_000, waitMs: 0 };
      expect((await first.driver.reserve(all)).reservations.length).toBe(30);
      proxy.cut("reset");
      const { driver, prefix } = await opened({ url: server.url, prefix: first.prefix });
      await untilWorks(async () => expect((await driver.stats("work")).pending).toBe(30), 20_000);
      // As a worker with five slots does that fetches ahead.
      const ahead = { ...all, max: 205, free: 5 };
      expect((await driver.reserve(ahead)).reservations.length).toBe(5);
      expect((await driver.reserve({ ...ahead, max: 200, free: 0 })).reservations.length).toBe(0);
      const { channel, close } = await beside(server.url);
      const counts: unknown[] = [];
      for (;;) {
        const message = await channel.get(`${prefix}.jobs.work`, { noAck: true });
        if (message === false) break;
        counts.push(message.properties.headers?.["x-delivery-count"]);
      }
      // One of those that had been taken and given back would be a new message, without the server's count.
      expect(counts).toEqual(Array.from({ length: 25 }, () => 1));
      await Promise.all([first.driver.close(), driver.close(), close()]);
    });

    it("half-open: a push is unknown and a finish is unknown after the stated time, and then they work again", async () => {
      await using proxy = await startTcpProxy(server);
      const url = `amqp://127.0.0.1:${proxy.port}`;
      const patient = await opened({ url: server.url });
      await makeQueue(patient.driver);
      await patient.driver.close();
      const { driver } = await opened({ url, prefix: patient.prefix, answerTimeout: "1s", connectTimeout: "1s" });
      await driver.push([item({ id: "a" })]);
      const held = await takeOne(driver);
      proxy.halfOpen();
      const took = await startStopwatch();
      const [pushed, finished] = await Promise.all([
        driver.push([item({ id: "b" })]),
        driver.finish([{ reservation: held, outcome: "done" }]),
      ]);
      expect([pushed[0]?.status, finished[0]]).toEqual(["unknown", "unknown"]);
      expect(await took()).toBeLessThan(2_500);
      // The next one finds no server that answers.
      expect(await codeOf(driver, driver.push([item()]))).toBe("UNAVAILABLE");
      await proxy.pass();
      // The first one may meet a connection that is just given up.
      const pushC = async (): Promise<void> =>
        expect(await driver.push([item({ id: "c" })])).toEqual([{ status: "stored" }]);
      await untilWorks(pushC, 20_000);
      // The server gives what was held to others when it notices that nobody is there; ours were cut by the proxy.
      proxy.cut("reset");
      expect(await untilWorks(() => drain(driver), 20_000)).toContain("c");
      await driver.close();
    });

    it("a driver that closes while a push declares its queues leaves no promise behind", async () => {
      await using proxy = await startTcpProxy(server);
      using unheard = new UnheardErrors();
      const { driver } = await opened({ url: `amqp://127.0.0.1:${proxy.port}`, settle: "3s", answerTimeout: "2s" });
      proxy.slow({ latency: 20 });
      // Some 80 queues of delays, one after the other, while the queue of jobs settles.
      const pushed = codeOf(driver, driver.push([item({ delayMs: 5_000 })]));
      await pause(700);
      await driver.close();
      expect(["CLOSED", "UNAVAILABLE"]).toContain(await pushed);
      await pause(100);
      expect(unheard.all).toEqual([]);
    });

    it("a waiting reserve is told at once, and close does not wait for a server that is silent", async () => {
      await using proxy = await startTcpProxy(server);
      const { driver } = await opened({ url: `amqp://127.0.0.1:${proxy.port}`, answerTimeout: "1s" });
      const waiting = driver.reserve({ queues: ["work"], max: 1, leaseMs: 1_000, waitMs: 60_000 });
      const told = codeOf(driver, waiting);
      await pause(300);
      proxy.cut("reset");
      expect(await told).toBe("UNAVAILABLE");
      await untilWorks(() => driver.stats("work"), 20_000);
      proxy.halfOpen();
      const took = await startStopwatch();
      await driver.close();
      expect(await took()).toBeLessThan(4_500);
    });

    it("ended by the server itself: waiting reserves go on over a new one, and what was held is lost", async () => {
      const clients: ChannelModel[] = [];
      const through = async (): Promise<ChannelModel> => {
        const client = await connect(server.url);
        clients.push(client);
        return client;
      };
      const { driver } = await opened({ connect: through });
      await driver.push([item({ id: "held" })]);
      const held = await takeOne(driver);
      const waiting = [1, 2, 3].map(() => takeOne(driver, 60_000, "quiet"));
      await pause(300);
      const before = [...clients];
      for (const client of before) await closeByOperator(server, client);
      await untilWorks(() => driver.push([0, 1, 2].map((n) => item({ id: `quiet ${n}`, queue: "quiet" }))), 20_000);
      const got = await Promise.all(waiting);
      expect(got.map(({ job }) => job.id).sort()).toEqual(["quiet 0", "quiet 1", "quiet 2"]);
      // 3.10.8 may end one once more, when a queue does not take a consumer at once.
      expect(clients.length).toBeGreaterThanOrEqual(2 * before.length);
      expect(clients.length).toBeLessThanOrEqual(3 * before.length);
      expect(await driver.finish([{ reservation: held, outcome: "done" }])).toEqual(["lost"]);
      expect((await takeOne(driver)).job.id).toBe("held");
      await driver.close();
    });
  });

  describe.runIf(await isServerAvailable(name))(`${name} ${server.version}, killed`, () => {
    it("workers resume within 5 s of its return, pushes fail typed meanwhile, and no resolved push is lost", async () => {
      await using own = await startServer(name, { plugins: [] });
      await writeBeside(own.url);
      const queue = await rabbitmqQueue(own.url, {
        prefix: freshPrefix(),
        logger: silentLogger,
        pushTimeout: "2s",
      }).open();
      const ran = new Set<string>();
      const worker = new Worker(queue, "default", async (job) => void ran.add(job.id));
      worker.on("error", () => undefined);
      await worker.start();
      const stored: string[] = [];
      const errors: unknown[] = [];
      const pushOne = async (): Promise<void> => {
        const job = createJob("x");
        await queue.push(job).then(
          () => stored.push(job.id),
          (error: unknown) => errors.push(error),
        );
      };
      await pushOne();
      for (let i = 0; i < 50; i += 1) await pushOne();
      await own.kill();
      for (let i = 0; i < 5; i += 1) await pushOne();
      expect(errors.length).toBeGreaterThanOrEqual(4);
      for (const error of errors) expect(error).toMatchObject({ code: "UNAVAILABLE", retryable: true });
      await own.restart();
      // A worker looks every 3 s at most. How long the server elects leaders until it takes anything is its own affair.
      await untilWorks(() => writeBeside(own.url), 60_000);
      const backFor = await startStopwatch();
      await untilWorks(async () => {
        const count = stored.length;
        await pushOne();
        if (stored.length === count) throw errors.at(-1);
      }, 10_000);
      await untilWorks(async () => {
        if (!stored.every((id) => ran.has(id))) throw new Error("not all ran");
      }, 10_000);
      expect(await backFor()).toBeLessThan(5_000);
      await worker.stop();
      await queue.close();
    });

    it("right after the first push to a new queue resolved: the job is there", async () => {
      await using own = await startServer(name, { plugins: [], deadLetterRetry: 5_000 });
      const prefix = freshPrefix();
      const { driver } = await opened({ url: own.url, prefix, settle: "3s" });
      const start = performance.now();
      const [now, later] = await Promise.all([
        driver.push([item({ id: "now", queue: "fresh" })]),
        driver.push([item({ id: "later", queue: "fresh", delayMs: 500 })]),
      ]);
      await own.kill();
      expect([now[0]?.status, later[0]?.status]).toEqual(["stored", "stored"]);
      expect(performance.now() - start).toBeGreaterThan(3_000);
      await own.restart();
      await driver.close();
      const { driver: next } = await untilWorks(() => opened({ url: own.url, prefix, settle: "3s" }), 20_000);
      const ids: string[] = [];
      await untilWorks(async () => {
        ids.push(...(await drain(next, "fresh")));
        if (ids.length < 2) throw new Error(`only ${ids.join(", ")}`);
        // A step of the delay that found no leader is made again within twice the 5 s.
      }, 40_000);
      expect(ids.toSorted()).toEqual(["later", "now"]);
      for (let look = 0; look < 5; look += 1) expect(await next.queues()).toEqual(["fresh"]);
      // It is in the registry, so nobody waits again.
      const againTook = await startStopwatch();
      await next.push([item({ queue: "fresh" })]);
      expect(await againTook()).toBeLessThan(1_000);
      await next.close();
    });
  });
}

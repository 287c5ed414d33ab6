/** What is wrong outside of the program gets a typed error that says what was tried, without secrets. */
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { describe, expect, it } from "vitest";
import type { Driver, ErrorClass, PushResult } from "../../src/contract/index.ts";
import { rabbitmqDriver } from "../../src/drivers/rabbitmq/index.ts";
import { checkServer } from "../../src/drivers/rabbitmq/server.ts";
import { createQueue } from "../../src/entry/index.ts";
import { rabbitmqctl } from "../../scripts/servers/rabbitmq.ts";
import { isServerAvailable, sharedServer, startServer } from "../servers/shared-server.ts";
import { beside, BOTH, drain, item, opened, takeOne, untilWorks } from "./brokers.ts";
import { api } from "./management.ts";
import { freshPrefix } from "./target.ts";
import { startStopwatch } from "../stalls/stopwatch.ts";

const SECRET = "s3cret-pass";

/** What the user sees of an open that failed. */
async function openError(url: string, options: Parameters<typeof opened>[0] = {}): Promise<ErrorClass> {
  const driver = rabbitmqDriver({ url });
  const error: unknown = await opened({ url, ...options }).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error, "open failed").toBeDefined();
  const seen = driver.classify(error);
  expect(seen.message ?? "").not.toBe("");
  expect(JSON.stringify(seen)).not.toContain(SECRET);
  expect(seen.message).toContain(new URL(url).host);
  return seen;
}

describe("options", () => {
  it.each([
    [{}, "either url or connect"],
    [{ url: "http://x" }, "amqp://"],
    [{ url: `amqp://u:${SECRET}@:x` }, "amqp://"],
    [{ url: `amqp://u:${SECRET}#1@h:5672` }, "are %2F, %3F and %23"],
    [{ url: `amqp://u:${SECRET}/1@h` }, "are %2F, %3F and %23"],
    [{ url: "amqp://user:12#34@h" }, "are %2F, %3F and %23"],
    [{ url: "amqp://x?foo=1" }, "frameMax"],
    [{ url: "amqp://x?heartbeet=5" }, 'Did you mean "heartbeat"?'],
    [{ url: "amqp://x?heartbeat=5", heartbeat: "5s" }, "heartbeat is given twice"],
    [{ url: "amqp://x", prefix: "a.b" }, "prefix"],
    [{ url: "amqp://x", settle: -1 }, "settle"],
    [{ url: "amqp://x", urls: [] }, 'no option "urls"'],
    [{ url: "amqp://x", maxMessageBytes: 5 }, "maxMessageBytes"],
  ])("%j is refused", (options, words) => {
    const make = (): Driver => rabbitmqDriver(options as Parameters<typeof rabbitmqDriver>[0]);
    expect(make).toThrow(words);
    expect(() => {
      try {
        make();
      } catch (error) {
        throw new Error(String(error).includes(SECRET) ? "shows the password" : "fine", { cause: error });
      }
    }).toThrow("fine");
  });

  it("a server that is too old or no RabbitMQ is refused", () => {
    for (const version of ["3.9.29", "3.8.0", "2.0", "?"])
      expect(() => checkServer({ product: "RabbitMQ", version })).toThrow(/needs RabbitMQ 3\.10/);
    expect(() => checkServer({ product: "Qpid", version: "9.0" })).toThrow(/Qpid/);
    expect(checkServer({ product: "RabbitMQ", version: "4.3.6" })).toMatchObject({ major: 4, minor: 3 });
  });
});

describe("a server that is not there", () => {
  it("nobody listens: UNAVAILABLE, retryable", async () => {
    const listener = createServer();
    await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
    const { port } = listener.address() as AddressInfo;
    await new Promise((resolve) => listener.close(resolve));
    expect(await openError(`amqp://u:${SECRET}@127.0.0.1:${port}`)).toMatchObject({
      code: "UNAVAILABLE",
      retryable: true,
    });
  });

  it("an unknown host: UNAVAILABLE, retryable", async () => {
    expect(await openError(`amqp://u:${SECRET}@host.invalid`)).toMatchObject({ code: "UNAVAILABLE", retryable: true });
  });

  it("one that accepts and never answers: UNAVAILABLE after the stated time", async () => {
    const sockets = new Set<{ destroy(): void }>();
    const listener = createServer((socket) => sockets.add(socket.on("error", () => undefined)));
    await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
    const { port } = listener.address() as AddressInfo;
    const took = await startStopwatch();
    const seen = await openError(`amqp://127.0.0.1:${port}`, { connectTimeout: "500ms" });
    expect(seen).toMatchObject({ code: "UNAVAILABLE", retryable: true });
    expect(await took()).toBeLessThan(2_000);
    for (const socket of sockets) socket.destroy();
    listener.close();
  });
});

for (const name of BOTH) {
  const server = await sharedServer(name);
  if (server === undefined) continue;
  const { host, port } = server;

  describe(`${name} ${server.version}`, () => {
    it("a wrong password: ACCESS_DENIED", async () => {
      const seen = await openError(`amqp://guest:${SECRET}@${host}:${port}`);
      expect(seen).toMatchObject({ code: "ACCESS_DENIED", retryable: false });
      const wrong: unknown = await createQueue(`amqp://guest:${SECRET}@${host}:${port}/%2F`).catch(
        (error: unknown) => error,
      );
      expect(wrong).toMatchObject({ code: "ACCESS_DENIED" });
      expect(String(wrong)).toContain(`It was tried at amqp://${host}:${port}/%2F.`);
      expect(String(wrong)).not.toContain(SECRET);
    });

    it("a virtual host that does not exist: ACCESS_DENIED", async () => {
      expect(await openError(`amqp://guest:guest@${host}:${port}/nowhere`)).toMatchObject({ code: "ACCESS_DENIED" });
    });

    it("TLS to a port without it: ACCESS_DENIED that names the schemes", async () => {
      const seen = await openError(`amqps://guest:guest@${host}:${port}`, { connectTimeout: "3s" });
      expect(seen.retryable === false || seen.code === "UNAVAILABLE", JSON.stringify(seen)).toBe(true);
    });

    it("a missing right: ACCESS_DENIED", async () => {
      // The server itself refuses everybody names that begin with "amq.".
      const { channel, close } = await beside(server.url);
      const error: unknown = await channel.assertQueue("amq.not-allowed").catch((reason: unknown) => reason);
      expect(rabbitmqDriver({ url: server.url }).classify(error)).toMatchObject({ code: "ACCESS_DENIED" });
      await close();
    });

    it("a queue that exists with other arguments: STORE_FOREIGN that names it", async () => {
      const prefix = freshPrefix();
      const { channel, close } = await beside(server.url);
      await channel.assertQueue(`${prefix}.jobs.work`, { durable: true });
      const { driver } = await opened({ url: server.url, prefix });
      const error: unknown = await driver.push([item()]).catch((reason: unknown) => reason);
      const seen = driver.classify(error);
      expect(seen).toMatchObject({ code: "STORE_FOREIGN", retryable: false });
      expect(seen.message).toContain(`${prefix}.jobs.work`);
      // Nothing else is harmed by it.
      expect(await driver.push([item({ queue: "other" })])).toEqual([{ status: "stored" }]);
      await driver.close();
      await close();
    });

    it("a queue at its limit: STORE_FULL, retryable, and the others of the batch are stored", async () => {
      const prefix = freshPrefix();
      const policy = { pattern: `^${prefix}\\.jobs`, definition: { "max-length": 5 }, "apply-to": "queues" };
      await api(server, "PUT", `policies/%2F/${prefix}`, policy);
      const { driver } = await opened({ url: server.url, prefix });
      const results = [];
      for (let round = 0; round < 20; round += 1) results.push(...(await driver.push([item(), item(), item()])));
      const failed = results.flatMap((result) => (result.status === "failed" ? [result] : []));
      expect(failed.length).toBeGreaterThan(0);
      for (const { error } of failed)
        expect(driver.classify(error)).toMatchObject({ code: "STORE_FULL", retryable: true });
      expect((await drain(driver)).length).toBe(results.length - failed.length);
      await driver.close();
      await api(server, "DELETE", `policies/%2F/${prefix}`);
    });

    it("a payload over the limit is refused before it is sent; over the server's own it is a typed error", async () => {
      const { driver, capabilities } = await opened({ url: server.url });
      const [tooLarge] = await driver.push([item({ payload: new Uint8Array(capabilities.payload.maxBytes + 1) })]);
      expect(tooLarge).toMatchObject({ status: "refused", error: { code: "PAYLOAD_TOO_LARGE" } });
      const envelope = new Uint8Array(capabilities.payload.maxBytes);
      const [withEnvelope] = await driver.push([item({ envelope, payload: new Uint8Array(100_000) })]);
      expect(withEnvelope).toMatchObject({ status: "refused", error: { code: "PAYLOAD_TOO_LARGE" } });
      await driver.close();
    });

    it("a queue that is removed under a driver: the push says so and the next one works", async () => {
      const prefix = freshPrefix();
      const { driver } = await opened({ url: server.url, prefix });
      await driver.push([item()]);
      const { channel, close } = await beside(server.url);
      await channel.deleteQueue(`${prefix}.jobs.work`);
      const [gone] = await driver.push([item()]);
      expect(gone?.status).toBe("failed");
      expect(driver.classify(gone?.status === "failed" ? gone.error : undefined)).toMatchObject({
        code: "UNAVAILABLE",
        retryable: true,
      });
      expect(await driver.push([item({ id: "next" })])).toEqual([{ status: "stored" }]);
      expect((await takeOne(driver)).job.id).toBe("next");
      await channel.deleteQueue(`${prefix}.jobs.work`);
      expect(
        await untilWorks(() => driver.reserve({ queues: ["work"], max: 1, leaseMs: 1_000, waitMs: 0 }), 5_000),
      ).toMatchObject({ reservations: [] });
      await driver.close();
      await close();
    });

    it("a message of somebody else comes as a job with an empty envelope, which is parked", async () => {
      const prefix = freshPrefix();
      const { driver } = await opened({ url: server.url, prefix });
      await driver.push([item()]);
      await takeOne(driver);
      const { channel, close } = await beside(server.url);
      channel.sendToQueue(`${prefix}.jobs.work`, Buffer.from("not ours"));
      const { job } = await takeOne(driver);
      expect([job.queue, Buffer.from(job.payload).toString(), job.envelope.length]).toEqual(["work", "not ours", 0]);
      await driver.close();
      await close();
    });
  });

  describe.runIf(await isServerAvailable(name))(`${name} ${server.version} with settings of its own`, () => {
    it("TLS options are passed through; without them the certificate is refused; its password is not shown", async () => {
      await using own = await startServer(name, { plugins: [], tls: true, password: SECRET });
      const url = own.url.replace("amqps://", `amqps://guest:${SECRET}@`);
      const { driver } = await opened({ url, tls: { ca: readFileSync(own.ca ?? "") } });
      expect(await driver.push([item()])).toEqual([{ status: "stored" }]);
      await driver.close();
      expect(await openError(url)).toMatchObject({ code: "ACCESS_DENIED", retryable: false });
      const plain = await openError(url.replace("amqps:", "amqp:"), { connectTimeout: "3s" });
      expect(["ACCESS_DENIED", "UNAVAILABLE"]).toContain(plain.code);
    });

    it("a memory alarm blocks pushes with STORE_FULL, at once after the first, while everything else goes on", async () => {
      await using own = await startServer(name, { plugins: [], memoryLimit: 1_000_000 });
      const { driver } = await opened({ url: own.url, answerTimeout: "12s" });
      const firstTook = await startStopwatch();
      const seen = driver.classify(await failureOf(driver.push([item({ id: "held" })])));
      expect(seen).toMatchObject({ code: "STORE_FULL", retryable: true });
      // An answer was not waited for until its time was over. What is declared first takes seconds on a new server.
      expect(await firstTook()).toBeLessThan(11_000);
      const secondTook = await startStopwatch();
      expect(driver.classify(await failureOf(driver.push([item({ queue: "new" })])))).toMatchObject({
        code: "STORE_FULL",
      });
      expect(await secondTook()).toBeLessThan(200);
      expect(await driver.reserve({ queues: ["work"], max: 1, leaseMs: 1_000, waitMs: 100 })).toMatchObject({
        reservations: [],
      });
      expect((await driver.stats("work")).pending).toBe(0);
      // The server does not read from a connection that it blocks: the answer to its close is waited for as any other.
      const closed = await startStopwatch();
      await driver.close();
      expect(await closed()).toBeLessThan(20_000);
    });

    it("a disk alarm blocks pushes with STORE_FULL, jobs are finished meanwhile, and pushes go on when it is over", async () => {
      await using own = await startServer(name, { plugins: [] });
      const { driver } = await opened({ url: own.url, answerTimeout: "5s" });
      await driver.push([item({ id: "before" })]);
      await rabbitmqctl(own, "set_disk_free_limit", "1000000GB");
      let seen: unknown;
      // One whose confirm comes in the same read as the word of the alarm is stored.
      const end = performance.now() + 20_000;
      do seen = await failureOf(driver.push([item({ id: "during" })]));
      while (seen === "stored" && performance.now() < end);
      expect(driver.classify(seen)).toMatchObject({
        code: "STORE_FULL",
        retryable: true,
        message: expect.stringContaining("disk"),
      });
      const held = await takeOne(driver);
      expect(held.job.id).toBe("before");
      expect(await driver.finish([{ reservation: held, outcome: "done" }])).toEqual(["ok"]);
      await rabbitmqctl(own, "set_disk_free_limit", "50MB");
      const stored = [{ status: "stored" }];
      await expect.poll(() => driver.push([item({ id: "after" })])).toEqual(stored);
      expect(await drain(driver)).toContain("after");
      await driver.close();
    });
  });
}

/** Of a push that fails as a whole, or for its only job. */
async function failureOf(push: Promise<readonly PushResult[]>): Promise<unknown> {
  const results = await push.catch((error: unknown) => [{ status: "failed", error } as const]);
  const [result] = results;
  return result?.status === "failed" ? result.error : result?.status;
}

import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { inspect } from "node:util";
import { Redis } from "ioredis";
import { afterAll, describe, expect, it } from "vitest";
import { createJob, createQueue } from "jobferry";
import { freePort } from "../../scripts/servers/free-port.ts";
import { isServerAvailable, startServer } from "../servers/shared-server.ts";
import { openError, queueOn, rejection } from "./stage.ts";

const SECRET = "s3cr3t-word";
const LIBRARIES = ["ioredis", "redis"] as const;

describe.runIf(await isServerAvailable("redis"))(
  "what is wrong is told with a code, what was tried and what to do",
  async () => {
    const server = await startServer("redis", { password: "right" });
    const open = await startServer("redis");
    afterAll(() => Promise.all([server.remove(), open.remove()]));
    const at = (login: string): string => server.url.replace("://", `://${login}@`);

    describe.each(LIBRARIES)("with %s", (library) => {
      it("a wrong password", async () => {
        const error = await openError(at(`:${SECRET}`), { library });
        expect(error).toMatchObject({ code: "ACCESS_DENIED", retryable: false });
        expect(error.message).toContain(`There is no access to ${server.url}: it refused`);
        expect(inspect(error, { depth: 10 })).not.toContain(SECRET);
      });

      it("no password", async () => {
        const error = await openError(server.url, { library });
        expect(error).toMatchObject({ code: "ACCESS_DENIED", retryable: false });
        expect(error.message).toContain(`There is no access to ${server.url}: it wants`);
      });

      it("a database that the server does not have", async () => {
        // It is told as soon as it is known: the test would end before the time for opening does.
        const options = { library, connectTimeout: "10m" } as const;
        const error = await openError(`${open.url}/99`, options);
        expect(error).toMatchObject({ code: "INVALID_ARGUMENT", retryable: false });
        expect(error.message).toContain("no database of that number");
        const queue = await queueOn(`${open.url}/15`, { library }).open();
        await queue.push(createJob("in its own"));
        expect(await queue.size()).toBe(1);
        await queue.close();
      });

      it("nobody listens", async () => {
        const port = await freePort();
        // It is told as soon as it is known: the test would end before the time for opening does.
        const options = { library, connectTimeout: "10m" } as const;
        const error = await openError(`redis://user:${SECRET}@127.0.0.1:${port}`, options);
        expect(error).toMatchObject({ code: "UNAVAILABLE", retryable: true });
        expect(error.message).toContain(`127.0.0.1:${port}`);
        expect(error.message).toContain("ECONNREFUSED");
        expect(inspect(error, { depth: 10 })).not.toContain(SECRET);
      });

      it("another product listens", async () => {
        const http = createServer((_, answer) => answer.writeHead(404).end("Nothing here."));
        await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
        const { port } = http.address() as AddressInfo;
        // It is told as soon as it is known: the test would end before the time for opening does.
        const options = { library, connectTimeout: "10m" } as const;
        const error = await openError(`redis://user:${SECRET}@127.0.0.1:${port}`, options);
        expect(error).toMatchObject({ code: "STORE_FOREIGN", retryable: false });
        expect(error.message).toContain(`redis://127.0.0.1:${port}`);
        expect(inspect(error, { depth: 10 })).not.toContain(SECRET);
        http.close();
      });

      it("TLS where the server speaks none", async () => {
        const error = await openError(open.url.replace("redis:", "rediss:"), { library });
        expect(error).toMatchObject({ code: "ACCESS_DENIED", retryable: false });
        expect(error.message).toContain("it speaks none");
      });

      it("no TLS where the server wants it, and a certificate that is not trusted", async () => {
        await using secure = await startServer("redis", { tls: true });
        const plain = await openError(secure.url.replace("rediss:", "redis:"), { library });
        expect(plain).toMatchObject({ code: "ACCESS_DENIED", retryable: false });
        expect(plain.message).toContain("wants TLS");
        const untrusted = await openError(secure.url, { library });
        expect(untrusted).toMatchObject({ code: "ACCESS_DENIED", retryable: false });
        expect(untrusted.message).toContain("certificate");
      });

      it("a read-only replica", async () => {
        await using replica = await startServer("redis", { readOnly: true });
        expect(await openError(replica.url, { library })).toMatchObject({ code: "STORE_READ_ONLY" });
      });
    });

    it("a user without the right to run scripts", async () => {
      const admin = new Redis(open.url);
      await admin.call("ACL", "SETUSER", "weak", "on", `>${SECRET}`, "~*", "+@all", "-evalsha", "-eval");
      const error = await openError(open.url.replace("://", `://weak:${SECRET}@`));
      expect(error).toMatchObject({ code: "ACCESS_DENIED", retryable: false });
      expect(error.message).toContain("EVALSHA");
      expect(error.message).toContain(`There is no access to ${open.url}: `);
      expect(inspect(error, { depth: 10 })).not.toContain(SECRET);
      await admin.call("ACL", "DELUSER", "weak");
      admin.disconnect();
    });

    it("nothing, for a user with just the rights that the guide names", async () => {
      const guide = readFileSync("docs/backends/redis.md", "utf8");
      const [, granted = ""] = /\n```\n(\+eval[^`]*)```/.exec(guide) ?? [];
      const admin = new Redis(open.url);
      const rights = [...granted.trim().split(/\s+/), "+hello", "+auth", "+select", "+client", "+ping"];
      await admin.call("ACL", "SETUSER", "worker", "on", `>${SECRET}`, "~{rights}*", "-@all", ...rights);
      await using queue = queueOn(open.url.replace("://", `://worker:${SECRET}@`), {
        prefix: "rights",
        keepCompleted: true,
      });
      await queue.pushBatch([
        createJob("x".repeat(10_000)),
        createJob(2, { priority: 3 }),
        createJob(3, { delay: "1h" }),
      ]);
      const waiting = queue.pop({ queue: "other", wait: "5s" });
      const [one, two] = await queue.popBatch(2);
      await one?.complete();
      await two?.release("1ms");
      await (await queue.pop({ wait: "2s" }))?.fail(new Error("no"));
      const { jobs } = await queue.records.list({ state: "failed" });
      await queue.records.retry(jobs.map(({ id }) => id));
      await queue.push(createJob("woken", { queue: "other" }));
      expect((await waiting)?.payload).toBe("woken");
      await queue.pause("other");
      await queue.resume("other");
      expect(await queue.clear()).toBe(2);
      expect(await queue.getStats()).toMatchObject({ completedJobs: 1, pendingJobs: 0, reservedJobs: 1 });
      await admin.call("ACL", "DELUSER", "worker");
      admin.disconnect();
    });

    it("a layout that is newer, or not ours", async () => {
      const client = new Redis(open.url);
      await client.hset("{newer}:meta", { layout: 99, partitions: 1 });
      await client.set("{foreign}:meta", "x");
      expect(await openError(open.url, { prefix: "newer" })).toMatchObject({ code: "STORE_NEWER" });
      expect(await openError(open.url, { prefix: "foreign" })).toMatchObject({ code: "STORE_FOREIGN" });
      client.disconnect();
    });

    it("another number of partitions than the store was made with", async () => {
      await using made = queueOn(open.url, { prefix: "parted", partitions: 2 });
      await made.open();
      const error = await openError(open.url, { prefix: "parted" });
      expect(error).toMatchObject({ code: "INVALID_ARGUMENT" });
      expect(error.message).toContain("made with 2");
    });

    it("a policy that would throw jobs away", async () => {
      await using careless = await startServer("redis", {
        args: ["--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru"],
      });
      const error = await openError(careless.url);
      expect(error).toMatchObject({ code: "UNSUPPORTED" });
      expect(error.message).toContain("noeviction");
    });

    it("a policy that spares keys without expiry", async () => {
      await using careful = await startServer("redis", {
        args: ["--maxmemory", "64mb", "--maxmemory-policy", "volatile-lru"],
      });
      await using queue = queueOn(careful.url);
      await queue.open();
    });

    it("a server that is too old", async () => {
      const client = new Redis(open.url, { lazyConnect: true });
      const callBuffer = client.callBuffer.bind(client) as (...args: unknown[]) => Promise<unknown>;
      Object.assign(client, {
        callBuffer: async (...args: unknown[]) =>
          args[0] === "INFO" ? Buffer.from("redis_version:6.0.16\r\nrole:master\r\n") : callBuffer(...args),
      });
      const error = await openError(client);
      expect(error).toMatchObject({ code: "UNSUPPORTED" });
      expect(error.message).toContain("6.0.16");
      client.disconnect();
    });

    it("a payload over the limit, before it is sent", async () => {
      await using queue = queueOn(open.url);
      expect(await rejection(queue.push(createJob("x".repeat(9_000_000))))).toMatchObject({
        code: "PAYLOAD_TOO_LARGE",
      });
      expect((await queue.getStats()).totalJobs).toBe(0);
    });

    it("createQueue opens a URL, and wants one that can be read", async () => {
      const queue = await createQueue(open.url);
      await queue.close();
      expect(await rejection(createQueue(`redis://:${SECRET}@host:0`))).toMatchObject({ code: "INVALID_ARGUMENT" });
      const error = await rejection(createQueue(`redis+sentinel://:${SECRET}@host:1`));
      expect(error.message).toContain("primary");
      expect(inspect(error, { depth: 10 })).not.toContain(SECRET);
    });
  },
);

/** TLS by URL: a certificate that is trusted works, on the way to every server of a group too; another one is a typed error. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { createJob } from "jobferry";
import { redisQueue, type RedisQueueOptions } from "jobferry/redis";
import type { ServerName } from "../../scripts/servers/registry.ts";
import { isServerAvailable, startServer } from "../servers/shared-server.ts";
import { silentLogger } from "../../src/runtime/index.ts";
import { testTlsMismatch } from "../faults/tls-mismatch.ts";
import { openError, queueOn, wait } from "./stage.ts";

const LIBRARIES = ["ioredis", "redis"] as const;
const KINDS: readonly ServerName[] = ["redis", "redis-sentinel", "redis-cluster"];

function trusting(library: (typeof LIBRARIES)[number], caFile: string | undefined): RedisQueueOptions {
  const ca = readFileSync(caFile ?? "", "utf8");
  return { library, clientOptions: library === "ioredis" ? { tls: { ca } } : { socket: { ca } } };
}

for (const kind of KINDS) {
  describe.runIf(await isServerAvailable(kind))(`TLS with ${kind}`, () => {
    it("a certificate that is trusted: pushes, waits, claims and finishes", async () => {
      await using server = await startServer(kind, { tls: true });
      for (const library of LIBRARIES) {
        await using queue = queueOn(server.url, trusting(library, server.ca));
        const waiting = queue.pop({ wait: "10s" });
        await wait(300);
        await queue.push(createJob(library));
        const job = await waiting;
        expect(job?.payload).toBe(library);
        await job?.complete();
        expect(await queue.getStats()).toMatchObject({ completedJobs: 1 });
      }
    });

    it("a certificate that is not", async () => {
      await using server = await startServer(kind, { tls: true });
      await using other = await startServer("redis", { tls: true });
      for (const library of LIBRARIES) {
        for (const options of [{ library }, trusting(library, other.ca)]) {
          const error = await openError(server.url, options);
          expect(error.code).toBe("ACCESS_DENIED");
          expect(error.message).toContain("certificate");
        }
      }
    });
  });
}

for (const library of LIBRARIES) {
  await testTlsMismatch(`redis by ${library}`, {
    server: "redis",
    open: (port, trust) => {
      const { ca, name } = trust ?? {};
      const tls = { ...(ca === undefined ? {} : { ca }), ...(name === undefined ? {} : { servername: name }) };
      const clientOptions = library === "ioredis" ? { tls } : { socket: tls };
      const options = { logger: silentLogger, library, connectTimeout: "5s" } as const;
      if (trust === undefined) return redisQueue(`redis://127.0.0.1:${port}`, options);
      return redisQueue(`rediss://127.0.0.1:${port}`, { ...options, clientOptions });
    },
    advice: /rediss:\/\/.*clientOptions\.tls\.ca/,
  });
}

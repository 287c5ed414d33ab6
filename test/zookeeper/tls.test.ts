import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { createJob } from "jobferry";
import { zookeeperCluster, zookeeperQueue, type ZookeeperQueueOptions } from "jobferry/zookeeper";
import { isServerAvailable, startServer } from "../servers/shared-server.ts";
import { silentLogger } from "../../src/runtime/index.ts";
import { testTlsMismatch } from "../faults/tls-mismatch.ts";

await testTlsMismatch("zookeeper", {
  server: "zookeeper",
  open: (port, trust) => {
    const { ca, name } = trust ?? {};
    const tls = { ...(ca === undefined ? {} : { ca }), ...(name === undefined ? {} : { servername: name }) };
    const scheme = trust === undefined ? "zookeeper" : "zookeepers";
    const options = { logger: silentLogger, ...(trust === undefined ? {} : { tls }) };
    return zookeeperQueue(`${scheme}://127.0.0.1:${port}`, options);
  },
  advice: /zookeepers:\/\/.*tls\.ca/,
});

const pem = (path: string): string => readFileSync(path, "utf8");

describe.runIf(await isServerAvailable("zookeeper"))("zookeeper with TLS", async () => {
  const mutual = await startServer("zookeeper", { tls: true, clientCertificates: true });
  const guarded = await startServer("zookeeper", { tls: true, password: "right" });
  afterAll(() => Promise.all([mutual, guarded].map((one) => one.remove())));
  const certificateOf = (ca = ""): object => ({ cert: pem(ca), key: pem(join(dirname(ca), "key.pem")) });

  /** The code of the error; undefined: a job went through. */
  async function fails(url: string, options: ZookeeperQueueOptions): Promise<string | undefined> {
    const queue = zookeeperQueue(url, { logger: silentLogger, connectTimeout: "3s", ...options });
    try {
      await queue.push(createJob("hello"));
      const job = await queue.pop();
      expect(job?.payload).toBe("hello");
      await job?.complete();
      return undefined;
    } catch (error) {
      return (error as Readonly<{ code: string }>).code;
    } finally {
      await queue.close();
    }
  }

  it("a server that wants a certificate of its clients", async () => {
    const ca = pem(mutual.ca ?? "");
    expect(await fails(mutual.url, { tls: { ca, ...certificateOf(mutual.ca) } })).toBeUndefined();
    expect(await fails(mutual.url, { tls: { ca } })).toBe("ACCESS_DENIED");
    expect(await fails(mutual.url, { tls: { ca, ...certificateOf(guarded.ca) } })).toBe("ACCESS_DENIED");
  });

  it("a login by SASL", async () => {
    const tls = { ca: pem(guarded.ca ?? "") };
    const login = { username: "jobferry", password: "right", authentication: "sasl" } as const;
    expect(await fails(guarded.url, { tls, ...login })).toBeUndefined();
    expect(await fails(guarded.url, { tls, ...login, password: "wrong" })).toBe("ACCESS_DENIED");
    expect(await fails(guarded.url, { tls })).toBe("ACCESS_DENIED");
    const cluster = zookeeperCluster({ url: guarded.url, nodeId: "a", logger: silentLogger, tls, ...login });
    await cluster.start();
    await using lock = await cluster.lock("x");
    expect(lock.held).toBe(true);
    await cluster.stop();
  });
});

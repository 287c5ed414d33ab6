// TLS with the server's certificate trusted or not, its name, and certificates of clients.
import { readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { dirname, join } from "node:path";
import { createServer } from "node:tls";
import { afterAll, describe, expect, it } from "vitest";
import { createCluster, createJob } from "jobferry";
import { consulCluster, consulQueue, type ConsulClusterOptions } from "jobferry/consul";
import { clientKeyOf } from "../../scripts/servers/consul.ts";
import { silentLogger } from "../../src/runtime/index.ts";
import { isServerAvailable, startServer } from "../servers/shared-server.ts";
import { testTlsMismatch } from "../faults/tls-mismatch.ts";
import { rejection } from "./stage.ts";

await testTlsMismatch("consul", {
  server: "consul",
  open: (port, trust) => {
    const { ca, name } = trust ?? {};
    const tls = { ...(ca === undefined ? {} : { ca }), ...(name === undefined ? {} : { serverName: name }) };
    const scheme = trust === undefined ? "consul" : "consuls";
    const options = { logger: silentLogger, ...(trust === undefined ? {} : { tls }) };
    return consulQueue(`${scheme}://127.0.0.1:${port}`, options);
  },
  advice: /consuls:\/\/.*tls\.ca/,
});

describe.runIf(await isServerAvailable("consul"))("consul with TLS", async () => {
  const server = await startServer("consul", { tls: true, clientCertificates: true });
  const other = await startServer("consul", { tls: true });
  const plain = await startServer("consul");
  afterAll(() => Promise.all([server, other, plain].map((one) => one.remove())));
  const pem = (path: string): string => readFileSync(path, "utf8");
  const own = (of = server) => ({ cert: pem(of.ca ?? ""), key: pem(clientKeyOf(of.ca ?? "")) });
  const ca = pem(server.ca ?? "");

  const started = async (options: Partial<ConsulClusterOptions>): Promise<string | undefined> => {
    const base = { nodeId: "a", logger: silentLogger, electionTimeout: "2s", callTimeout: "2s", prefix: "test/tls" };
    const cluster = consulCluster({ ...base, ...options } as ConsulClusterOptions);
    try {
      await cluster.start();
      await using lock = await cluster.lock("x");
      return lock.held ? undefined : "lost";
    } catch (error) {
      const { code, message } = await rejection(Promise.reject(error as Error));
      expect(message).toMatch(/tls|TLS|HTTP/);
      return code;
    } finally {
      await cluster.stop();
    }
  };

  it("a trusted certificate and one of the client's own", async () => {
    expect(await started({ address: server.url, tls: { ca, ...own() } })).toBeUndefined();
    expect(await started({ address: `127.0.0.1:${server.port}`, tls: { ca, ...own() } })).toBeUndefined();
    const named = { ca: pem(other.ca ?? ""), serverName: "localhost" };
    expect(await started({ address: other.url, tls: named })).toBeUndefined();
  });

  it.each([
    ["an untrusted certificate", { address: other.url }, "ACCESS_DENIED"],
    ["another authority", { address: other.url, tls: { ca } }, "ACCESS_DENIED"],
    ["another name", { address: other.url, tls: { ca: pem(other.ca ?? ""), serverName: "a.test" } }, "ACCESS_DENIED"],
    ["a client without a certificate", { address: server.url, tls: { ca } }, "ACCESS_DENIED"],
    ["a client with another certificate", { address: server.url, tls: { ca, ...own(other) } }, "ACCESS_DENIED"],
    ["a certificate that is none", { address: server.url, tls: { ca, cert: "x", key: "y" } }, "ACCESS_DENIED"],
    ["an authority that is none", { address: server.url, tls: { ca: "x", ...own() } }, "ACCESS_DENIED"],
    ["TLS with a server that has none", { address: `consuls://127.0.0.1:${plain.port}` }, "ACCESS_DENIED"],
    ["no TLS with a server that wants it", { address: `consul://127.0.0.1:${other.port}` }, "ACCESS_DENIED"],
  ])("%s is refused, with what to do", async (_, options, code) => {
    expect(await started(options)).toBe(code);
  });

  it("no TLS with a proxy that wants it, and only hangs up", async () => {
    const proxy = createServer({ cert: pem(other.ca ?? ""), key: pem(join(dirname(other.ca ?? ""), "key.pem")) });
    proxy.on("tlsClientError", () => undefined);
    await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
    const { port } = proxy.address() as AddressInfo;
    await using queue = consulQueue(`consul://127.0.0.1:${port}`, { logger: silentLogger });
    const error = await rejection(queue.open());
    proxy.close();
    expect(error).toMatchObject({ code: "ACCESS_DENIED", retryable: false });
    expect(error.message).toContain(`consul://127.0.0.1:${port} wants TLS. Use consuls://`);
  });

  it("by URL alone only what Node.js trusts is trusted", async () => {
    const cluster = await createCluster(other.url, { nodeId: "a", logger: silentLogger });
    expect(await rejection(cluster.start())).toMatchObject({ code: "ACCESS_DENIED", retryable: false });
    await cluster.stop();
  });

  it("with a token: to a server that has access lists", async () => {
    const guarded = await startServer("consul", { tls: true, password: "right" });
    afterAll(() => guarded.remove());
    const tls = { ca: pem(guarded.ca ?? "") };
    expect(await started({ address: guarded.url, tls, token: "right" })).toBeUndefined();
    await using queue = consulQueue(guarded.url.replace("://", "://:right@"), { tls, logger: silentLogger });
    await queue.push(createJob("hello"));
    expect((await queue.pop())?.payload).toBe("hello");
    await using wrong = consulQueue(guarded.url, { tls, token: "wrong", logger: silentLogger });
    expect(await rejection(wrong.open())).toMatchObject({ code: "ACCESS_DENIED", retryable: false });
  });
});

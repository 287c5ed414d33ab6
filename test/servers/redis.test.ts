import { describe, expect, it } from "vitest";
import { redisCommand } from "../../scripts/servers/redis-command.ts";
import { testLifeCycle } from "./life-cycle.ts";
import type { Access } from "./life-cycle.ts";
import { isServerAvailable, startServer } from "./shared-server.ts";

/** Of several nodes, one takes the command: the primary, and in a cluster the one with the key's slot. */
const access: Access = {
  write: ({ nodes }) => Promise.any(nodes.map(({ port }) => redisCommand({ port }, "SET", "kept", "yes"))),
  read: ({ nodes }) => Promise.any(nodes.map(({ port }) => redisCommand({ port }, "GET", "kept"))),
  value: "yes",
};

await testLifeCycle("redis", access);
await testLifeCycle("redis-6.2", access);
await testLifeCycle("valkey", access);
await testLifeCycle("redis-sentinel", access);
await testLifeCycle("redis-cluster", access);

describe.runIf(await isServerAvailable("valkey"))("options of valkey", () => {
  it("tls, password, args", async () => {
    const password = "a-secret";
    await using server = await startServer("valkey", { tls: true, password, args: ["--maxclients", "77"] });
    const { port, ca, version } = server;
    expect(version).toMatch(/^[89]\./);
    expect(await redisCommand({ port, ca, password }, "INFO", "clients")).toContain("maxclients:77");
  });
});

describe.runIf(await isServerAvailable("redis-6.2"))("options of redis-6.2", () => {
  it("tls, password, args", async () => {
    const password = "a-secret";
    await using server = await startServer("redis-6.2", { tls: true, password, args: ["--maxclients", "77"] });
    const { port, ca, version } = server;
    expect(version).toMatch(/^6\.2\./);
    expect(await redisCommand({ port, ca, password }, "INFO", "clients")).toContain("maxclients:77");
  });
});

describe.runIf(await isServerAvailable("redis"))("options of redis", () => {
  it("password", async () => {
    await using server = await startServer("redis", { password: "a-secret" });
    const { port, url } = server;
    expect(url).not.toContain("a-secret");
    await expect(redisCommand({ port, password: "another" }, "PING")).rejects.toThrow("WRONGPASS");
    await expect(redisCommand({ port }, "PING")).rejects.toThrow("NOAUTH");
    expect(await redisCommand({ port, password: "a-secret" }, "PING")).toBe("PONG");
  });

  it("tls", async () => {
    await using server = await startServer("redis", { tls: true });
    await using other = await startServer("redis", { tls: true });
    const { port, ca } = server;
    await expect(redisCommand({ port }, "PING")).rejects.toThrow(/closed the connection|ECONNRESET/);
    await expect(redisCommand({ port, ca: other.ca }, "PING")).rejects.toThrow("self-signed certificate");
    expect(await redisCommand({ port, ca }, "PING")).toBe("PONG");
  });

  it("readOnly", async () => {
    await using server = await startServer("redis", { readOnly: true });
    await expect(redisCommand(server, "SET", "a", "1")).rejects.toThrow("READONLY");
  });

  it("maxMemory", async () => {
    await using server = await startServer("redis", { maxMemory: "1mb" });
    await expect(redisCommand(server, "SET", "a", "x".repeat(2_000_000))).rejects.toThrow("OOM");
  });

  it("args", async () => {
    await using server = await startServer("redis", { args: ["--maxclients", "77"] });
    expect(await redisCommand(server, "INFO", "clients")).toContain("maxclients:77");
  });
});

describe.runIf(await isServerAvailable("redis-cluster"))("redis-cluster", () => {
  it("goes on with a replica when a primary is killed", async () => {
    await using server = await startServer("redis-cluster");
    const [primary, , , replica] = server.nodes;
    await primary?.kill();
    const role = (): Promise<string> => redisCommand({ port: replica?.port ?? 0 }, "INFO", "replication");
    await expect.poll(role, { timeout: 60_000, interval: 100 }).toContain("role:master");
  });
});

describe.runIf(await isServerAvailable("redis-sentinel"))("redis-sentinel", () => {
  it("goes on with the replica when the primary is killed, with a password", async () => {
    await using server = await startServer("redis-sentinel", { password: "a-secret", downAfter: 500 });
    const [primary, replica, sentinel] = server.nodes;
    await primary?.kill();
    const current = (): Promise<string> => redisCommand({ port: sentinel?.port ?? 0 }, "INFO", "sentinel");
    // Sentinels whose votes are split vote again ten seconds later.
    await expect.poll(current, { timeout: 60_000, interval: 100 }).toContain(`:${replica?.port},`);
    const role = (): Promise<string> =>
      redisCommand({ port: replica?.port ?? 0, password: "a-secret" }, "INFO", "replication");
    await expect.poll(role, { timeout: 10_000, interval: 100 }).toContain("role:master");
  });

  it("refuses an option that it cannot do", async () => {
    await expect(startServer("redis-sentinel", { readOnly: true })).rejects.toThrow(
      "redis-sentinel has no option readOnly",
    );
  });
});

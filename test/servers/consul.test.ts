import { describe, expect, it } from "vitest";
import { clientKeyOf } from "../../scripts/servers/consul.ts";
import { consulRequest } from "../../scripts/servers/consul-request.ts";
import { testLifeCycle } from "./life-cycle.ts";
import type { Access } from "./life-cycle.ts";
import { isServerAvailable, startServer } from "./shared-server.ts";

const access: Access = {
  write: ({ port }) => consulRequest({ port }, "PUT", "/v1/kv/kept", "yes"),
  read: async ({ port }) => (await consulRequest({ port }, "GET", "/v1/kv/kept?consistent&raw")).text,
  value: "yes",
};

await testLifeCycle("consul", access);
await testLifeCycle("consul-cluster", access);

describe.runIf(await isServerAvailable("consul"))("options of consul", () => {
  it("password, a token of ACLs", async () => {
    const password = crypto.randomUUID();
    await using server = await startServer("consul", { password });
    const { port, url } = server;
    expect(url).not.toContain(password);
    expect((await consulRequest({ port }, "PUT", "/v1/kv/a", "1")).status).toBe(403);
    expect((await consulRequest({ port, token: password }, "PUT", "/v1/kv/a", "1")).text).toContain("true");
  });

  it("tls, with certificates of clients", async () => {
    await using server = await startServer("consul", { tls: true, clientCertificates: true });
    const { port, ca = "" } = server;
    await expect(consulRequest({ port }, "GET", "/v1/status/leader")).resolves.toMatchObject({ status: 400 });
    await expect(consulRequest({ port, ca }, "GET", "/v1/status/leader")).rejects.toThrow(/certificate required|alert/);
    expect((await consulRequest({ port, ca, key: clientKeyOf(ca) }, "GET", "/v1/status/leader")).status).toBe(200);
  });

  it("shortestSession and args", async () => {
    await using server = await startServer("consul", {
      shortestSession: "3s",
      args: ["-hcl", 'node_meta { odd = "yes" }'],
    });
    const create = (ttl: string): ReturnType<typeof consulRequest> =>
      consulRequest(server, "PUT", "/v1/session/create", JSON.stringify({ TTL: ttl, NodeChecks: [] }));
    expect((await create("2s")).text).toContain("Invalid Session TTL");
    expect((await create("3s")).status).toBe(200);
    expect((await consulRequest(server, "GET", "/v1/agent/self")).text).toContain('"odd": "yes"');
  });
});

describe.runIf(await isServerAvailable("consul-cluster"))("consul-cluster", () => {
  it("goes on with another leader when the leader is killed, and the killed one comes back", async () => {
    await using server = await startServer("consul-cluster");
    const leader = async (port: number): Promise<string> =>
      (await consulRequest({ port }, "GET", "/v1/status/leader")).text;
    const [first] = server.nodes;
    const before = await leader(server.port);
    expect(before).toMatch(/^"127\.0\.0\.1:\d+"$/);
    await first?.kill();
    const other = server.nodes[1]?.port ?? 0;
    const write = async (): Promise<number> => (await consulRequest({ port: other }, "PUT", "/v1/kv/a", "1")).status;
    // The election may take longer than 20 s on a busy machine.
    const afterAVote = { timeout: 60_000, interval: 100 };
    await expect.poll(write, afterAVote).toBe(200);
    await first?.restart();
    const read = async (): Promise<string> =>
      (await consulRequest({ port: server.port }, "GET", "/v1/kv/a?consistent&raw")).text;
    await expect.poll(read, afterAVote).toBe("1");
  }, 300_000);
});

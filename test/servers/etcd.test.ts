import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { etcdLeader } from "../../scripts/servers/etcd-cluster.ts";
import { base64, etcdGateway, etcdToken } from "../../scripts/servers/etcd-gateway.ts";
import type { EtcdAddress } from "../../scripts/servers/etcd-gateway.ts";
import { waitFor } from "../../scripts/servers/wait-until.ts";
import { testLifeCycle } from "./life-cycle.ts";
import type { Access } from "./life-cycle.ts";
import { isServerAvailable, startServer } from "./shared-server.ts";

const access: Access = {
  write: ({ port }) => etcdGateway({ port }, "/v3/kv/put", { key: base64("kept"), value: base64("yes") }),
  read: async ({ port }) => {
    const { kvs } = await etcdGateway({ port }, "/v3/kv/range", { key: base64("kept") });
    return (kvs as readonly Readonly<{ value: string }>[])[0]?.value ?? "";
  },
  value: base64("yes"),
};

await testLifeCycle("etcd", access);
await testLifeCycle("etcd-3.4", access);
await testLifeCycle("etcd-cluster", access);

for (const name of ["etcd", "etcd-3.4"] as const) {
  describe.runIf(await isServerAvailable(name))(`options of ${name}`, () => {
    it("password", async () => {
      await using server = await startServer(name, { password: "a-secret" });
      const { port, url } = server;
      expect(url).not.toContain("a-secret");
      await expect(access.read(server)).rejects.toThrow("user name is empty");
      await expect(etcdToken({ port }, "root", "another")).rejects.toThrow("authentication failed");
      const token = await etcdToken({ port }, "root", "a-secret");
      expect(await etcdGateway({ port, token }, "/v3/kv/range", { key: base64("kept") })).toHaveProperty("header");
    });

    it("tls, with a certificate of the client", async () => {
      await using server = await startServer(name, { tls: true, clientCertificate: true });
      const { port, ca = "" } = server;
      const ask = (shown: EtcdAddress): Promise<unknown> => etcdGateway(shown, "/v3/kv/range", { key: base64("a") });
      await expect(ask({ port })).rejects.toThrow(/HTTPS server|ECONNRESET|hang up/);
      await expect(ask({ port, ca })).rejects.toThrow(/certificate|ECONNRESET|hang up/);
      const shown = { port, ca, cert: ca, key: join(dirname(ca), "key.pem") };
      expect(await ask(shown)).toHaveProperty("header");
    });

    it("args", async () => {
      await using server = await startServer(name, { args: ["--max-txn-ops", "2"] });
      const put = (key: string): object => ({ requestPut: { key: base64(key), value: base64("1") } });
      const call = etcdGateway(server, "/v3/kv/txn", { success: ["a", "b", "c"].map(put) });
      await expect(call).rejects.toThrow("too many operations");
    });
  });
}

describe.runIf(await isServerAvailable("etcd-cluster"))("etcd-cluster", () => {
  it("goes on when its leader is killed, and takes it back", async () => {
    await using server = await startServer("etcd-cluster");
    const leader = await waitFor("a leader", () => etcdLeader(server));
    const others = server.nodes.filter((node) => node !== leader);
    expect(others).toHaveLength(2);
    await leader.kill();
    await waitFor("another leader", () => etcdLeader({ nodes: others }));
    await access.write({ ...server, port: others[0]?.port ?? 0 });
    await leader.restart();
    expect(await access.read({ ...server, port: leader.port })).toBe(access.value);
  }, 300_000);
});

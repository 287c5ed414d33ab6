import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { zookeeperCommand, zookeeperMode } from "../../scripts/servers/zookeeper-command.ts";
import { isServerAvailable, startServer } from "./shared-server.ts";
import { testLifeCycle } from "./life-cycle.ts";
import type { Access } from "./life-cycle.ts";
import { zkCli } from "../zookeeper/zk-cli.ts";

/** By the server's own command line, which takes a second each time. */
const access: Access = {
  write: (server) => zkCli(server, ["create", "/kept", "yes"]),
  read: async (server) => /^yes$/m.exec(await zkCli(server, ["get", "/kept"]))?.[0] ?? "nothing",
  value: "yes",
};

await testLifeCycle("zookeeper", access);
await testLifeCycle("zookeeper-3.8", access);
await testLifeCycle("zookeeper-cluster", access);

for (const name of ["zookeeper", "zookeeper-3.8"] as const) {
  describe.runIf(await isServerAvailable(name))(`options of ${name}`, () => {
    it("tls", async () => {
      await using server = await startServer(name, { tls: true });
      await using other = await startServer(name, { tls: true });
      const { port, ca } = server;
      expect(await zookeeperMode({ port, ca })).toBe("standalone");
      await expect(zookeeperMode({ port, ca: other.ca })).rejects.toThrow("self-signed certificate");
      expect(await zookeeperCommand({ port }, "srvr").catch(() => "")).toBe("");
    });

    it("bounds of session timeouts, arguments", async () => {
      await using server = await startServer(name, {
        sessionTimeouts: [4_000, 8_000],
        args: ["-Djute.maxbuffer=20000"],
      });
      expect(await zookeeperCommand(server, "conf")).toMatch(/minSessionTimeout=4000\s+maxSessionTimeout=8000/);
      const pid = String(server.nodes[0]?.pid);
      expect(execFileSync("ps", ["-o", "args=", "-p", pid], { encoding: "utf8" })).toContain("-Djute.maxbuffer=20000");
    });
  });
}

describe.runIf(await isServerAvailable("zookeeper-cluster"))("zookeeper-cluster", () => {
  it("elects another leader when the first is killed, and the killed one follows when it is back", async () => {
    await using server = await startServer("zookeeper-cluster");
    const modes = (): Promise<readonly (string | undefined)[]> =>
      Promise.all(server.nodes.map((node) => zookeeperMode(node).catch(() => "away")));
    const first = server.nodes[(await modes()).indexOf("leader")];
    await first?.kill();
    await expect.poll(modes, { timeout: 20_000, interval: 100 }).toContain("leader");
    await first?.restart();
    const found = await modes();
    expect(found.filter((mode) => mode === "leader")).toHaveLength(1);
    expect(found.filter((mode) => mode === "follower")).toHaveLength(2);
  });

  it("refuses an option that it cannot do", async () => {
    await expect(startServer("zookeeper-cluster", { readOnly: true })).rejects.toThrow(
      "zookeeper-cluster has no option readOnly",
    );
  });
});

import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { waitFor } from "../../scripts/servers/wait-until.ts";
import { zookeeperLeader } from "../../scripts/servers/zookeeper-cluster.ts";
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
    const first = await waitFor("a leader", () => zookeeperLeader(server));
    await first.kill();
    await waitFor("another leader", () => zookeeperLeader(server));
    await first.restart();
    // On a busy machine one that serves may not answer in time, so one look is not enough.
    const modes = async (): Promise<readonly string[]> =>
      (await Promise.all(server.nodes.map(async (node) => String(await zookeeperMode(node))))).toSorted();
    await expect.poll(modes, { timeout: 60_000, interval: 100 }).toEqual(["follower", "follower", "leader"]);
  }, 300_000);

  it("refuses an option that it cannot do", async () => {
    await expect(startServer("zookeeper-cluster", { readOnly: true })).rejects.toThrow(
      "zookeeper-cluster has no option readOnly",
    );
  });
});

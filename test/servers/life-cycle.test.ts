import { existsSync } from "node:fs";
import { connect } from "node:net";
import { dirname } from "node:path";
import { describe, expect, it } from "vitest";
import { isRunning, processTree } from "../../scripts/servers/process-tree.ts";
import { isServerName, serverKinds } from "../../scripts/servers/registry.ts";
import type { ServerName } from "../../scripts/servers/registry.ts";
import { redisCommand } from "../../scripts/servers/redis-command.ts";
import type { RunningServer } from "../../scripts/servers/server.ts";
import { isServerAvailable, startServer } from "./shared-server.ts";
import { postgresQuery } from "./postgres-query.ts";

/** How a value is written to a server and read back, without any client library. */
type Access = Readonly<{
  write: (server: RunningServer) => Promise<unknown>;
  read: (server: RunningServer) => Promise<string>;
}>;

/** Of several nodes, one takes the command: the primary, and in a cluster the one with the key's slot. */
const redisAccess: Access = {
  write: ({ nodes }) => Promise.any(nodes.map(({ port }) => redisCommand({ port }, "SET", "kept", "yes"))),
  read: ({ nodes }) => Promise.any(nodes.map(({ port }) => redisCommand({ port }, "GET", "kept"))),
};

const access = {
  redis: redisAccess,
  "redis-sentinel": redisAccess,
  "redis-cluster": redisAccess,
  postgres: {
    write: (server) => postgresQuery(server, "create table kept as select 'yes' as value"),
    read: (server) => postgresQuery(server, "select value from kept"),
  },
} as const satisfies Readonly<Record<ServerName, Access>>;

for (const name of Object.keys(serverKinds).filter(isServerName)) {
  if (!(await isServerAvailable(name))) continue;
  const { write, read }: Access = access[name];

  describe(name, () => {
    it("keeps its data over a stop and a SIGKILL when it is durable", async () => {
      await using server = await startServer(name, { durable: true });
      await write(server);
      for (const end of ["stop", "kill"] as const) {
        const pids = pidsOf(server);
        await server[end]();
        expect(pids.filter(isRunning)).toEqual([]);
        await server.restart();
        expect(await read(server)).toBe("yes");
      }
    });

    it("answers nothing while it is paused, and goes on", async () => {
      await using server = await startServer(name, { durable: true });
      await write(server);
      await server.pause();
      let answered = false;
      const reading = read(server).then((value) => {
        answered = true;
        return value;
      });
      await new Promise((resolve) => setTimeout(resolve, 300));
      expect(answered).toBe(false);
      await server.resume();
      expect(await reading).toBe("yes");
    });

    it("leaves no process and no folder, not even paused", async () => {
      const server = await startServer(name);
      const pids = pidsOf(server);
      const folders = server.nodes.map(({ log }) => dirname(log));
      await server.pause();
      await server.remove();
      expect(pids.filter(isRunning)).toEqual([]);
      expect(folders.filter(existsSync)).toEqual([]);
      expect(await refusesConnections(server.port)).toBe(true);
    });
  });
}

function pidsOf({ nodes }: RunningServer): readonly number[] {
  return nodes.flatMap(({ pid }) => (pid === undefined ? [] : processTree(pid)));
}

function refusesConnections(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => resolve(socket.destroy() && false));
    socket.once("error", () => resolve(true));
  });
}

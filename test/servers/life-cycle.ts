import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { isListening } from "../../scripts/servers/is-listening.ts";
import { hasStopped, isRunning, processTree } from "../../scripts/servers/process-tree.ts";
import type { ServerName } from "../../scripts/servers/registry.ts";
import type { RunningServer } from "../../scripts/servers/server.ts";
import { isServerAvailable, startServer } from "./shared-server.ts";

/** How a value is written to a server and read back; without a client library where that is easy. */
export type Access = Readonly<{
  write: (server: RunningServer) => Promise<unknown>;
  read: (server: RunningServer) => Promise<string>;
  value: string;
}>;

/** Ends only what never comes. */
const AFTER_A_VOTE = { timeout: 60_000, interval: 100 };

/** What every server does when it is stopped, killed, paused, resumed, restarted and removed. */
export async function testLifeCycle(name: ServerName, { write, read, value }: Access): Promise<void> {
  if (!(await isServerAvailable(name))) return;

  describe(`the life of ${name}`, () => {
    it("keeps its data over a stop and a SIGKILL when it is durable", async () => {
      await using server = await startServer(name, { durable: true });
      await write(server);
      for (const end of ["stop", "kill"] as const) {
        const pids = pidsOf(server);
        expect(pids.length).toBeGreaterThanOrEqual(server.nodes.length);
        await server[end]();
        expect(pids.filter(isRunning)).toEqual([]);
        expect(server.nodes.map(({ pid }) => pid)).toEqual(server.nodes.map(() => undefined));
        await server.restart();
        expect(await read(server)).toBe(value);
      }
    });

    it("answers nothing while it is paused, goes on, and leaves nothing, not even paused", async () => {
      const server = await startServer(name);
      expect(server.version).toMatch(/^\d+(\.\d+)+/);
      await write(server);
      await server.pause();
      expect(pidsOf(server).every(hasStopped)).toBe(true);
      let answered = false;
      const reading = read(server)
        .catch((error: unknown) => error)
        .finally(() => (answered = true));
      await delay(300);
      expect(answered).toBe(false);
      await server.resume();
      const told = await reading;
      // The leader of several may find its time over: what was asked may be refused, until another one is voted for.
      if (server.nodes.length > 1) await expect.poll(() => read(server), AFTER_A_VOTE).toBe(value);
      else expect(told).toBe(value);

      const pids = pidsOf(server);
      const folders = server.nodes.map(({ log }) => dirname(log));
      await server.pause();
      await server.remove();
      expect(pids.filter(isRunning)).toEqual([]);
      expect(folders.filter(existsSync)).toEqual([]);
      expect(await isListening(server.port)).toBe(false);
    });
  });
}

function pidsOf({ nodes }: RunningServer): readonly number[] {
  return nodes.flatMap(({ pid }) => (pid === undefined ? [] : processTree(pid)));
}

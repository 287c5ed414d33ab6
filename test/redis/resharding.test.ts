/** A cluster that moves the slot of a store from one node to another, key by key, as `redis-cli --cluster reshard` does. */
import { randomUUID } from "node:crypto";
import { Redis } from "ioredis";
import { afterAll, describe, expect, it } from "vitest";
import { createJob } from "jobferry";
import type { RunningServer } from "../../scripts/servers/server.ts";
import { isServerAvailable, startServer } from "../servers/shared-server.ts";
import { queueOn, rejection, Traffic, until, wait } from "./stage.ts";

const LIBRARIES = ["ioredis", "redis"] as const;

type Node = Readonly<{ id: string; port: number; client: Redis }>;
/** The move of one slot. */
type Move = Readonly<{ slot: number; from: Node; to: Node; all: readonly Node[] }>;

async function moveOf(server: RunningServer, prefix: string): Promise<Move> {
  const clients = server.nodes.slice(0, 3).map(({ port }) => new Redis(port));
  const all = await Promise.all(
    clients.map(async (client, i) => ({
      client,
      id: String(await client.call("CLUSTER", "MYID")),
      port: server.nodes[i]?.port ?? 0,
    })),
  );
  const [first] = all;
  const slot = Number(await first?.client.call("CLUSTER", "KEYSLOT", `{${prefix}}:jobs`));
  const ranges = (await first?.client.call("CLUSTER", "SLOTS")) as readonly [number, number, [string, number]][];
  const owner = ranges.find(([low, high]) => low <= slot && slot <= high)?.[2][1];
  const from = all.find(({ port }) => port === owner);
  const to = all.find(({ port }) => port !== owner);
  if (from === undefined || to === undefined) throw new Error("no primary has the slot");
  return { slot, from, to, all };
}

async function begin({ slot, from, to }: Move): Promise<void> {
  await to.client.call("CLUSTER", "SETSLOT", slot, "IMPORTING", from.id);
  await from.client.call("CLUSTER", "SETSLOT", slot, "MIGRATING", to.id);
}

async function moveKeys({ slot, from, to }: Move, pauseMs: number): Promise<void> {
  for (;;) {
    const keys = (await from.client.call("CLUSTER", "GETKEYSINSLOT", slot, 1)) as readonly string[];
    if (keys.length === 0) return;
    await from.client.call("MIGRATE", "127.0.0.1", to.port, "", 0, 5_000, "KEYS", ...keys);
    await wait(pauseMs);
  }
}

async function finish({ slot, to, all }: Move): Promise<void> {
  for (const { client } of [to, ...all.filter((node) => node !== to)])
    await client.call("CLUSTER", "SETSLOT", slot, "NODE", to.id);
}

function release({ all }: Move): void {
  for (const { client } of all) client.disconnect();
}

describe.runIf(await isServerAvailable("redis-cluster"))("a slot that is moved", async () => {
  const server = await startServer("redis-cluster");
  afterAll(() => server.remove());

  describe.each(LIBRARIES)("with %s", (library) => {
    it("a push is refused as a whole while keys of its job are here and there, and done as a whole afterwards", async () => {
      const prefix = `test:${randomUUID()}`;
      await using queue = queueOn(server.url, { library, prefix, pushTimeout: "2s" });
      await queue.push(createJob("first"));
      const first = await queue.pop();
      const move = await moveOf(server, prefix);
      const job = createJob("whole");
      await begin(move);
      // The line of the queue does not exist yet: a script that began would stop at it, with the job stored and in no line.
      expect(await rejection(queue.push(job))).toMatchObject({ code: "UNAVAILABLE", retryable: true });
      expect(await move.from.client.call("HEXISTS", `{${prefix}}:jobs`, job.id)).toBe(0);
      expect(await rejection(first?.extend("1m") ?? Promise.resolve())).toMatchObject({ code: "UNAVAILABLE" });
      await moveKeys(move, 0);
      await finish(move);
      await queue.push(job);
      expect((await queue.pop({ wait: "5s" }))?.payload).toBe("whole");
      await first?.complete();
      expect(await queue.getStats()).toMatchObject({ completedJobs: 1, pendingJobs: 0, reservedJobs: 1 });
      release(move);
    });

    it("under load loses nothing, and workers go on", async () => {
      const prefix = `test:${randomUUID()}`;
      await using queue = queueOn(server.url, { library, prefix, pushTimeout: "30s" });
      const traffic = new Traffic(queue);
      await traffic.start();
      await until(() => traffic.done > 50, 10_000);
      const move = await moveOf(server, prefix);
      await begin(move);
      await moveKeys(move, 50);
      await finish(move);
      const before = traffic.done;
      await until(() => traffic.done > before + 50, 15_000);
      await traffic.stopPushing();
      expect(await traffic.missing(15_000)).toEqual([]);
      expect(await queue.getStats()).toMatchObject({ pendingJobs: 0, failedJobs: 0 });
      await traffic.stop();
      release(move);
    });
  });
});

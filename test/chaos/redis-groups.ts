/** Redis servers behind Sentinel or on a Cluster: the primary is killed, another one takes its place. */
import { setTimeout as pause } from "node:timers/promises";
import { redisCommand } from "../../scripts/servers/redis-command.ts";
import type { RunningServer, ServerNode } from "../../scripts/servers/server.ts";
import { HOST } from "../../scripts/servers/server.ts";
import { waitUntil } from "../../scripts/servers/wait-until.ts";
import { answerOf } from "./answer-of.ts";

export type Group = Readonly<{
  /** Kills the primary and starts it again when another one has taken its place. */
  failOver: (server: RunningServer) => Promise<void>;
  /** Resolves when there is a primary that has a replica, without which it takes no writes here. */
  isWhole: (server: RunningServer) => Promise<void>;
  /** One look at that. */
  looksWhole: (server: RunningServer) => Promise<boolean>;
}>;

/** Sentinels that split their votes try again after about 10 s, and after a stall of the machine they do nothing for 30 s (TILT). Nobody judges how long it takes. */
const FAIL_OVER_MS = 60_000;

/** Any key of the driver's default prefix: it tells which node of a cluster has the slot. */
const KEY = "{jobferry}:meta";

export const sentinelGroup: Group = {
  async failOver(server) {
    const before = await answerOf("there is a primary", () => currentPrimary(server), FAIL_OVER_MS);
    const primary = nodeOn(server, before);
    await primary.kill();
    const after = await answerOf("another primary is chosen", () => primaryAfter(server, before), FAIL_OVER_MS);
    await waitUntil("it serves as primary", () => says(after, "role:master"), FAIL_OVER_MS);
    await primary.restart();
    // Sentinel does this itself, ten seconds later, because these servers keep no configuration file.
    await redisCommand({ port: before }, "REPLICAOF", HOST, String(after));
    await sentinelGroup.isWhole(server);
  },

  /**
   * All sentinels agree on a primary, and the other server replicates it, for a second: a server that has just restarted as a primary was once seen to
   * leave the other again, until Sentinel put it right ten seconds later. Meanwhile there are two, and none that takes writes.
   */
  async isWhole(server) {
    const isPairForLong = async (): Promise<boolean> => {
      for (let look = 0; look < 4; look += 1) {
        if (!(await isPair(server))) return false;
        await pause(250);
      }
      return isPair(server);
    };
    await waitUntil("the other server replicates the primary", isPairForLong, FAIL_OVER_MS);
  },

  looksWhole: (server) => isPair(server).catch(() => false),
};

/** @throws until another one has taken the place of that. */
async function primaryAfter(server: RunningServer, before: number): Promise<number> {
  const port = await currentPrimary(server);
  if (port === before) throw new Error(`It is still the one on port ${before}.`);
  return port;
}

async function isPair(server: RunningServer): Promise<boolean> {
  const primary = await currentPrimary(server, 3);
  const other = server.nodes.find(({ name, port }) => !name.includes("sentinel") && port !== primary);
  const [here, there] = await Promise.all([says(primary, "connected_slaves:1"), says(other?.port ?? 0, "role:slave")]);
  const follows = (await says(other?.port ?? 0, `master_port:${primary}`)) && (await says(primary, "state=online"));
  return here && there && follows && says(other?.port ?? 0, "master_link_status:up");
}

export const clusterGroup: Group = {
  async failOver(server) {
    // A cluster that has just voted may still say that it is down.
    const primary = await answerOf("a primary has the slot", () => servingNode(server), FAIL_OVER_MS);
    await primary.kill();
    const isTaken = async (): Promise<boolean> => (await servingNode(server)).port !== primary.port;
    await waitUntil("a replica has taken the slot", isTaken, FAIL_OVER_MS);
    await primary.restart();
    await clusterGroup.isWhole(server);
  },

  /** Every server is primary or replicates one, and half of them do. */
  isWhole: (server) => waitUntil("all replicas are linked", () => areLinked(server), FAIL_OVER_MS),
  looksWhole: (server) => areLinked(server).catch(() => false),
};

async function areLinked({ nodes }: RunningServer): Promise<boolean> {
  const linked = await Promise.all(nodes.map(({ port }) => says(port, "master_link_status:up")));
  const serve = await Promise.all(nodes.map(({ port }) => redisCommand({ port }, "CLUSTER", "INFO")));
  return linked.filter(Boolean).length === nodes.length / 2 && serve.every((info) => info.includes("state:ok"));
}

/** @throws while fewer sentinels say the same. */
async function currentPrimary({ nodes }: RunningServer, agreeing = 2): Promise<number> {
  const sentinels = nodes.filter(({ name }) => name.includes("sentinel"));
  const told = await Promise.all(
    sentinels.map(async ({ port }) => {
      const info = await redisCommand({ port }, "INFO", "sentinel").catch(() => "");
      return /^master0:.*address=[^:]+:(\d+),/m.exec(info)?.[1];
    }),
  );
  const first = told.find((port) => port !== undefined && told.filter((one) => one === port).length >= agreeing);
  if (first === undefined) throw new Error("The sentinels do not agree.");
  return Number(first);
}

/** A cluster's replica sends elsewhere, so only the primary of the slot answers. */
async function servingNode({ nodes }: RunningServer): Promise<ServerNode> {
  return Promise.any(
    nodes.map(async (node) => {
      await redisCommand({ port: node.port }, "EXISTS", KEY);
      return node;
    }),
  );
}

function nodeOn({ nodes }: RunningServer, port: number): ServerNode {
  const node = nodes.find((one) => one.port === port);
  if (node === undefined) throw new Error(`No node listens on port ${port}.`);
  return node;
}

async function says(port: number, words: string): Promise<boolean> {
  return (await redisCommand({ port }, "INFO", "replication")).includes(words);
}

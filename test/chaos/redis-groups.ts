/** Redis servers behind Sentinel or on a Cluster: the primary is killed, another one takes its place. */
import { redisCommand } from "../../scripts/servers/redis-command.ts";
import type { RunningServer, ServerNode } from "../../scripts/servers/server.ts";
import { HOST } from "../../scripts/servers/server.ts";
import { waitUntil } from "../../scripts/servers/wait-until.ts";

/** Any key of the driver's default prefix: it tells which node of a cluster has the slot. */
const KEY = "{jobferry}:meta";

export async function failOverSentinel(server: RunningServer): Promise<void> {
  const sentinel = server.nodes.find(({ name }) => name.includes("sentinel"));
  const current = async (): Promise<number> => {
    const info = await redisCommand({ port: sentinel?.port ?? 0 }, "INFO", "sentinel");
    return Number(/^master0:.*address=[^:]+:(\d+),/m.exec(info)?.[1]);
  };
  const before = await current();
  const primary = nodeOn(server, before);
  await primary.kill();
  await waitUntil("another primary is chosen", async () => (await current()) !== before);
  const after = await current();
  await waitUntil("it serves as primary", () => hasRole(after, "master"));
  await primary.restart();
  // Sentinel does this itself, ten seconds later, because these servers keep no configuration file.
  await redisCommand({ port: before }, "REPLICAOF", HOST, String(after));
  await waitUntil("the old primary replicates", () => isLinked(before));
}

export async function failOverCluster(server: RunningServer): Promise<void> {
  const primary = await servingNode(server);
  await primary.kill();
  await waitUntil("a replica has taken the slot", async () => (await servingNode(server)).port !== primary.port);
  await primary.restart();
  await waitUntil("the old primary replicates", () => isLinked(primary.port));
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

async function hasRole(port: number, role: "master" | "slave"): Promise<boolean> {
  return (await redisCommand({ port }, "INFO", "replication")).includes(`role:${role}`);
}

async function isLinked(port: number): Promise<boolean> {
  return (await redisCommand({ port }, "INFO", "replication")).includes("master_link_status:up");
}

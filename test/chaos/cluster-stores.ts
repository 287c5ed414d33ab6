/** Where the clusters of a chaos run live. */
import { join } from "node:path";
import type { Hosts } from "../../scripts/servers/hosts.ts";
import { startServer } from "../../scripts/servers/start-server.ts";
import type { RunningServer } from "../../scripts/servers/server.ts";
import type { Ground } from "./cluster-fleet.ts";
import { clusterGroup, type Group, sentinelGroup } from "./redis-groups.ts";
import { SYNCED, WITH_REPLICAS } from "./targets.ts";
import { isVoted, type VotedStore } from "./voted-servers.ts";

export const CLUSTER_STORES = [
  "sqlite",
  "postgres",
  "redis",
  "redis-sentinel",
  "redis-cluster",
  "etcd",
  "consul",
  "zookeeper",
] as const;
export type ClusterStore = (typeof CLUSTER_STORES)[number];

/** Groups of servers of which one takes over. What the cluster writes waits for the only replica, so a fail-over forgets nothing of it; claims and ends of jobs do not wait. */
const GROUPS = { "redis-sentinel": sentinelGroup, "redis-cluster": clusterGroup } as const;
export const groupOf = (store: ClusterStore): Group | undefined =>
  store in GROUPS ? GROUPS[store as keyof typeof GROUPS] : undefined;

/** Whether each node can have a way of its own to it: not where there is no server, nor where clients learn addresses from the servers. */
export const canPart = (store: ClusterStore): boolean => store === "postgres" || store === "redis" || isVoted(store);

export async function serverOf(store: ClusterStore, hosts: Hosts | undefined): Promise<RunningServer | undefined> {
  if (store === "sqlite") return undefined;
  const where = hosts === undefined ? {} : { hosts };
  const args = groupOf(store) === undefined ? {} : { args: WITH_REPLICAS };
  if (store === "redis") return startServer("redis", { durable: true, args: SYNCED, ...where });
  // What SIGKILL leaves in the system's cache is enough for it, and a busy disk does not hold up each write of three nodes.
  if (store === "etcd") return startServer("etcd-cluster", where);
  return startServer(isVoted(store) ? `${store}-cluster` : store, { durable: true, ...args, ...where });
}

export function groundOf(store: ClusterStore, folder: string, server: RunningServer | undefined): Ground {
  if (server === undefined) {
    const path = join(folder, "jobs.db");
    return { servers: [], placeBy: () => ({ kind: "sqlite", path }), urlBy: () => `sqlite:${path}` };
  }
  if (isVoted(store)) return votedGround(store, server);
  const urlBy = ([port]: readonly number[]): string =>
    port === undefined ? server.url : server.url.replace(`:${server.port}`, `:${port}`);
  return {
    servers: canPart(store) ? [{ host: server.host, port: server.port }] : [],
    placeBy: (ports) =>
      store === "postgres"
        ? { kind: "postgres", url: urlBy(ports), schema: "jobferry" }
        : { kind: "redis", url: urlBy(ports), prefix: "jobferry", replicas: canPart(store) ? 0 : 1 },
    urlBy,
  };
}

/** Jobs lie under the cluster's own prefix, as they do where a node is not given another queue. */
function votedGround(store: VotedStore, { host, nodes }: RunningServer): Ground {
  const listOf = (ports: readonly number[]): string => ports.map((port) => `${host}:${port}`).join(",");
  return {
    servers: nodes.map(({ port }) => ({ host, port })),
    placeBy: (ports) => {
      const address = listOf(ports);
      if (store === "etcd") return { kind: "etcd", url: `etcd://${address}`, prefix: "jobferry" };
      return store === "consul"
        ? { kind: "consul", address, prefix: "jobferry" }
        : { kind: "zookeeper", servers: address, root: "/jobferry" };
    },
    urlBy: (ports) => `${store}://${listOf(ports)}/jobferry`,
  };
}

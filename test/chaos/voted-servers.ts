/** Stores of three servers that vote for a leader: which one that is, and what can be done to it. */
import { setTimeout as pause } from "node:timers/promises";
import { consulRequest, isConsulLeader } from "../../scripts/servers/consul-request.ts";
import { etcdLeader } from "../../scripts/servers/etcd-cluster.ts";
import { etcdGateway } from "../../scripts/servers/etcd-gateway.ts";
import type { RunningServer, ServerNode } from "../../scripts/servers/server.ts";
import { waitUntil } from "../../scripts/servers/wait-until.ts";
import { zookeeperMode } from "../../scripts/servers/zookeeper-command.ts";
import type { TcpProxy } from "../faults/tcp-proxy.ts";

type Vote = Readonly<{
  leads: (node: ServerNode) => Promise<boolean>;
  /** Whether it takes part and knows of a leader. */
  follows: (node: ServerNode) => Promise<boolean>;
}>;

const VOTED = {
  etcd: {
    leads: async (node) => (await etcdLeader({ nodes: [node] })) === node,
    follows: async ({ port }) => {
      const { leader } = await etcdGateway({ port }, "/v3/maintenance/status");
      return leader !== undefined && leader !== "0";
    },
  },
  consul: {
    leads: ({ port }) => isConsulLeader(port),
    // It asks the leader, so it has joined the others.
    follows: async ({ port }) =>
      [200, 404].includes((await consulRequest({ port }, "GET", "/v1/kv/__vote?consistent&keys")).status),
  },
  zookeeper: {
    leads: async (node) => (await zookeeperMode(node)) === "leader",
    follows: async (node) => (await zookeeperMode(node)) !== undefined,
  },
} as const satisfies Readonly<Record<string, Vote>>;

export type VotedStore = keyof typeof VOTED;
export const isVoted = (store: string): store is VotedStore => Object.hasOwn(VOTED, store);

/** What can be done to the leader. Each resolves when the servers are whole again. */
export type LeaderFaults = Readonly<{
  /** SIGKILL, and a new start when another one leads. */
  kill(): Promise<void>;
  /** SIGSTOP, then SIGCONT. */
  freeze(ms: number): Promise<void>;
  /** No client reaches it; the other servers do. */
  part(ms: number): Promise<void>;
  /** SIGSTOP of the two others: it serves on without a majority, and whoever is connected to it must not believe it. */
  leaveAlone(ms: number): Promise<void>;
}>;

/** The one that the others have voted for. */
export async function leaderOf(store: VotedStore, { nodes }: Pick<RunningServer, "nodes">): Promise<ServerNode> {
  const leads = await Promise.all(nodes.map((node) => VOTED[store].leads(node).catch(() => false)));
  const leader = nodes[leads.indexOf(true)];
  if (leader === undefined) throw new Error("the store has no leader");
  return leader;
}

/** One leads, and all know it. */
export async function isWhole(store: VotedStore, server: Pick<RunningServer, "nodes">): Promise<void> {
  await waitUntil("one leads and the others follow", async () => {
    await leaderOf(store, server);
    const follow = await Promise.all(server.nodes.map((node) => VOTED[store].follows(node).catch(() => false)));
    return follow.every(Boolean);
  });
}

/** `proxies`: the ways of the clients, one a server. */
export function leaderFaults(
  store: VotedStore,
  server: Pick<RunningServer, "nodes">,
  proxies: readonly TcpProxy[],
): LeaderFaults {
  const whole = (): Promise<void> => isWhole(store, server);
  return {
    async kill() {
      const leader = await leaderOf(store, server);
      const others = server.nodes.filter((node) => node !== leader);
      await leader.kill();
      await waitUntil("another one leads", async () => (await leaderOf(store, { nodes: others })) !== leader);
      await leader.restart();
      await whole();
    },
    async freeze(ms) {
      const leader = await leaderOf(store, server);
      await leader.pause();
      await pause(ms);
      await leader.resume();
      await whole();
    },
    async part(ms) {
      const proxy = proxies[server.nodes.indexOf(await leaderOf(store, server))];
      if (proxy === undefined) throw new Error("No way leads to the leader.");
      proxy.halfOpen();
      await pause(ms);
      await proxy.pass();
      // Connections that lost bytes can carry nothing any more.
      proxy.cut("reset");
    },
    async leaveAlone(ms) {
      const leader = await leaderOf(store, server);
      const others = server.nodes.filter((node) => node !== leader);
      await Promise.all(others.map((node) => node.pause()));
      await pause(ms);
      await Promise.all(others.map((node) => node.resume()));
      await whole();
    },
  };
}

/** Stores of three servers that vote for a leader: which one that is, and what can be done to it. */
import { setTimeout as pause } from "node:timers/promises";
import { consulRequest, isConsulLeader } from "../../scripts/servers/consul-request.ts";
import { etcdLeader } from "../../scripts/servers/etcd-cluster.ts";
import { etcdGateway } from "../../scripts/servers/etcd-gateway.ts";
import type { Hosts } from "../../scripts/servers/hosts.ts";
import type { RunningServer, ServerNode } from "../../scripts/servers/server.ts";
import { waitUntil } from "../../scripts/servers/wait-until.ts";
import { zookeeperMode } from "../../scripts/servers/zookeeper-command.ts";
import type { TcpProxy } from "../faults/tcp-proxy.ts";
import { answerOf } from "./answer-of.ts";
import { machineMs } from "./log.ts";

/** Most that an election takes: two servers of Consul voted for longer than 20 s on a machine with a load of 20. */
const ELECTION_MS = 60_000;

type Vote = Readonly<{
  leads: (node: ServerNode) => Promise<boolean>;
  /** Whether it takes part and knows of a leader. */
  follows: (node: ServerNode) => Promise<boolean>;
  /** Makes it look for the others, which its own next try would do a long time later. */
  rejoin?: (node: ServerNode) => Promise<void>;
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
    // It looks for those that it has lost once in 30 s.
    async rejoin({ port }) {
      const members: readonly Readonly<{ Addr: string; Port: number }>[] = JSON.parse(
        (await consulRequest({ port }, "GET", "/v1/agent/members")).text,
      );
      for (const { Addr, Port } of members) await consulRequest({ port }, "PUT", `/v1/agent/join/${Addr}:${Port}`);
    },
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
  /** No other server reaches it, and they elect another one; clients reach both. @throws where the servers have no hosts of their own. */
  split(ms: number): Promise<void>;
}>;

/** The one that the others have voted for. @throws while there is none. */
export async function leaderOf(store: VotedStore, { nodes }: Pick<RunningServer, "nodes">): Promise<ServerNode> {
  const leads = await Promise.all(nodes.map((node) => VOTED[store].leads(node).catch(() => false)));
  const leader = nodes[leads.indexOf(true)];
  if (leader === undefined) throw new Error("the store has no leader");
  return leader;
}

/** The same, waited for: a machine that stalls makes them vote at any time. */
export function electedLeader(store: VotedStore, server: Pick<RunningServer, "nodes">): Promise<ServerNode> {
  return answerOf("the store has a leader", () => leaderOf(store, server), ELECTION_MS);
}

/** Resolves to when one of these leads, from now on: when the look that found it began, so it may have been elected a little later. */
export async function electionAmong(store: VotedStore, nodes: readonly ServerNode[]): Promise<number> {
  const look = async (): Promise<number> => {
    const from = machineMs();
    await leaderOf(store, { nodes });
    return from;
  };
  return answerOf("one of the others leads", look, ELECTION_MS);
}

/** One leads, and all know it. */
export async function isWhole(store: VotedStore, server: Pick<RunningServer, "nodes">): Promise<void> {
  await waitUntil(
    "one leads and the others follow",
    async () => {
      await leaderOf(store, server);
      const follow = await Promise.all(server.nodes.map((node) => VOTED[store].follows(node).catch(() => false)));
      return follow.every(Boolean);
    },
    ELECTION_MS,
  );
}

/** Cuts its lines to the others. Resolves, when these have another leader, to what heals them. */
export async function splitLeader(
  store: VotedStore,
  server: Pick<RunningServer, "nodes">,
  hosts: Hosts | undefined,
): Promise<() => Promise<void>> {
  if (hosts === undefined) throw new Error(`The servers of ${store} have no hosts of their own.`);
  const leader = await electedLeader(store, server);
  const others = server.nodes.filter((node) => node !== leader);
  const index = server.nodes.indexOf(leader);
  const { rejoin }: Vote = VOTED[store];
  const heal = async (): Promise<void> => {
    await hosts.heal(index);
    await rejoin?.(leader);
  };
  await hosts.cut(index);
  try {
    await electionAmong(store, others);
  } catch (error) {
    // Whatever comes after it would only tell that the store is away.
    await heal();
    throw error;
  }
  return heal;
}

/** `proxies`: the ways of the clients, one a server. */
export function leaderFaults(
  store: VotedStore,
  server: Pick<RunningServer, "nodes">,
  proxies: readonly TcpProxy[],
  hosts: Hosts | undefined,
): LeaderFaults {
  const whole = (): Promise<void> => isWhole(store, server);
  return {
    async kill() {
      const leader = await electedLeader(store, server);
      const others = server.nodes.filter((node) => node !== leader);
      await leader.kill();
      await electionAmong(store, others);
      await leader.restart();
      await whole();
    },
    async freeze(ms) {
      const leader = await electedLeader(store, server);
      await leader.pause();
      await pause(ms);
      await leader.resume();
      await whole();
    },
    async part(ms) {
      const proxy = proxies[server.nodes.indexOf(await electedLeader(store, server))];
      if (proxy === undefined) throw new Error("No way leads to the leader.");
      proxy.halfOpen();
      await pause(ms);
      await proxy.pass();
      // Connections that lost bytes can carry nothing any more.
      proxy.cut("reset");
    },
    async leaveAlone(ms) {
      const leader = await electedLeader(store, server);
      const others = server.nodes.filter((node) => node !== leader);
      await Promise.all(others.map((node) => node.pause()));
      await pause(ms);
      await Promise.all(others.map((node) => node.resume()));
      await whole();
    },
    async split(ms) {
      const heal = await splitLeader(store, server, hosts);
      await pause(ms);
      await heal();
      await whole();
    },
  };
}

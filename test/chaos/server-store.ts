/** A store on a server of the run's own, with a proxy before it where clients have one address. */
import { setTimeout as pause } from "node:timers/promises";
import { type Hosts, startHosts } from "../../scripts/servers/hosts.ts";
import type { ServerName } from "../../scripts/servers/registry.ts";
import type { RunningServer, ServerNode, ServerOptions } from "../../scripts/servers/server.ts";
import { startServer } from "../../scripts/servers/start-server.ts";
import { startTcpProxy, type TcpProxy } from "../faults/tcp-proxy.ts";
import type { Group } from "./redis-groups.ts";
import type { Store, StoreFaults, Way } from "./store.ts";
import { isWhole, leaderFaults, type VotedStore } from "./voted-servers.ts";

/** `hosts`: of its servers, where they have hosts of their own. */
export type ChaosServer = RunningServer & Readonly<{ hosts?: Hosts | undefined }>;

export type ServerStoreOptions = Readonly<{
  server: ServerName;
  options: ServerOptions & Readonly<Record<string, unknown>>;
  /** How long a killed node stays away before it is started again: long enough for a group to choose another. */
  downMs: number;
  /** Whether all clients go to `url`, so that a proxy can stand there. */
  proxied: boolean;
  /** Where there are several servers of which one is primary. */
  group?: Group;
  /** Where there are several that vote for a leader. */
  voted?: VotedStore;
  /** What is added to the server's URL, for example the name of a database. */
  suffix?: string;
  /** One that runs already and outlives the store. */
  running?: ChaosServer | undefined;
  /** How many hosts of their own its servers get, so that the lines between them can be cut. Default: none, all run here. */
  hosts?: number;
}>;

/** Of the run's own, because it is killed. */
export async function chaosServer(
  server: ServerName,
  options: ServerStoreOptions["options"] = {},
  hostCount = 0,
): Promise<ChaosServer> {
  const hosts = hostCount === 0 ? undefined : await startHosts(hostCount);
  const running = await startServer(server, { durable: true, ...options, ...(hosts === undefined ? {} : { hosts }) });
  const remove = async (): Promise<void> => {
    await running.remove();
    await hosts?.[Symbol.asyncDispose]();
  };
  return { ...running, hosts, remove, [Symbol.asyncDispose]: remove };
}

export async function serverStore({
  server,
  options,
  downMs,
  proxied,
  group,
  voted,
  suffix = "",
  running: given,
  hosts: hostCount = 0,
}: ServerStoreOptions): Promise<Store> {
  const running = given ?? (await chaosServer(server, options, hostCount));
  const targets = proxied ? (voted === undefined ? [running] : running.nodes) : [];
  const proxies = await Promise.all(targets.map(({ port }) => startTcpProxy({ host: running.host, port })));
  const directUrl = `${running.url}${suffix}`;
  const byProxy = (text: string, port: string): string => {
    const proxy = proxies[targets.findIndex((target) => target.port === Number(port))];
    return proxy === undefined ? text : `:${proxy.port}`;
  };
  const leader = voted && leaderFaults(voted, running, proxies, running.hosts);
  const isBack = async (): Promise<void> => {
    await group?.isWhole(running);
    if (voted !== undefined) await isWhole(voted, running);
  };
  return {
    url: directUrl.replace(/:(\d+)/g, byProxy),
    directUrl,
    faults: {
      ...faultsOf(running, downMs, isBack),
      failOver: group === undefined ? leader?.kill : () => group.failOver(running),
      leader,
      way: proxies.length === 0 ? undefined : wayThrough(proxies),
    },
    forgets: group !== undefined,
    async close() {
      await Promise.all(proxies.map((proxy) => proxy.close()));
      if (given === undefined) await running.remove();
    },
  };
}

function faultsOf(
  server: RunningServer,
  downMs: number,
  isBack: () => Promise<void>,
): Pick<StoreFaults, "killServer" | "freezeServer"> {
  let next = 0;
  const victim = (): ServerNode => {
    const node = server.nodes[next % server.nodes.length];
    next += 1;
    if (node === undefined) throw new Error(`The server ${server.kind} has no process.`);
    return node;
  };
  return {
    async killServer() {
      const node = victim();
      await node.kill();
      await pause(downMs);
      await node.restart();
      await isBack();
    },
    async freezeServer(ms) {
      const node = victim();
      await node.pause();
      await pause(ms);
      await node.resume();
      await isBack();
    },
  };
}

function wayThrough(proxies: readonly TcpProxy[]): Way {
  const cut = (): void => {
    for (const proxy of proxies) proxy.cut("reset");
  };
  const pass = async (): Promise<void> => {
    await Promise.all(proxies.map((proxy) => proxy.pass()));
  };
  /** Connections that lost bytes can carry nothing any more. */
  const over = async (): Promise<void> => {
    await pass();
    cut();
  };
  return {
    async cut() {
      cut();
    },
    async halfOpen(ms) {
      for (const proxy of proxies) proxy.halfOpen();
      await pause(ms);
      await over();
    },
    async dropAnswers(ms) {
      for (const proxy of proxies) proxy.dropResponses();
      await pause(ms);
      await over();
    },
    async slow(latency, ms) {
      for (const proxy of proxies) proxy.slow({ latency });
      await pause(ms);
      await pass();
    },
  };
}

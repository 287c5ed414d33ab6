/** A store on a server of the run's own, with a proxy before it where clients have one address. */
import { setTimeout as pause } from "node:timers/promises";
import type { ServerName } from "../../scripts/servers/registry.ts";
import type { RunningServer, ServerNode, ServerOptions } from "../../scripts/servers/server.ts";
import { startServer } from "../../scripts/servers/start-server.ts";
import { startTcpProxy, type TcpProxy } from "../faults/tcp-proxy.ts";
import type { Group } from "./redis-groups.ts";
import type { Store, StoreFaults, Way } from "./store.ts";

export type ServerStoreOptions = Readonly<{
  server: ServerName;
  options: ServerOptions & Readonly<Record<string, unknown>>;
  /** How long a killed node stays away before it is started again: long enough for a group to choose another. */
  downMs: number;
  /** Whether all clients go to `url`, so that a proxy can stand there. */
  proxied: boolean;
  /** Where there are several servers of which one is primary. */
  group?: Group;
  /** What is added to the server's URL, for example the name of a database. */
  suffix?: string;
  /** One that runs already and outlives the store. */
  running?: RunningServer | undefined;
}>;

/** Of the run's own, because it is killed. */
export function chaosServer(server: ServerName, options: ServerStoreOptions["options"] = {}): Promise<RunningServer> {
  return startServer(server, { ...options, durable: true });
}

export async function serverStore({
  server,
  options,
  downMs,
  proxied,
  group,
  suffix = "",
  running: given,
}: ServerStoreOptions): Promise<Store> {
  const running = given ?? (await chaosServer(server, options));
  const proxy = proxied ? await startTcpProxy({ host: running.host, port: running.port }) : undefined;
  const directUrl = `${running.url}${suffix}`;
  return {
    url: proxy === undefined ? directUrl : directUrl.replace(`:${running.port}`, `:${proxy.port}`),
    directUrl,
    faults: {
      ...faultsOf(running, downMs, proxy, group),
      failOver: group && (() => group.failOver(running)),
    },
    forgets: group !== undefined,
    async close() {
      await proxy?.close();
      if (given === undefined) await running.remove();
    },
  };
}

function faultsOf(
  server: RunningServer,
  downMs: number,
  proxy: TcpProxy | undefined,
  group: Group | undefined,
): Omit<StoreFaults, "failOver"> {
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
      await group?.isWhole(server);
    },
    async freezeServer(ms) {
      const node = victim();
      await node.pause();
      await pause(ms);
      await node.resume();
      await group?.isWhole(server);
    },
    way: proxy && wayThrough(proxy),
  };
}

function wayThrough(proxy: TcpProxy): Way {
  /** Connections that lost bytes can carry nothing any more. */
  const over = async (): Promise<void> => {
    await proxy.pass();
    proxy.cut("reset");
  };
  return {
    async cut() {
      proxy.cut("reset");
    },
    async halfOpen(ms) {
      proxy.halfOpen();
      await pause(ms);
      await over();
    },
    async dropAnswers(ms) {
      proxy.dropResponses();
      await pause(ms);
      await over();
    },
    async slow(latency, ms) {
      proxy.slow({ latency });
      await pause(ms);
      await proxy.pass();
    },
  };
}

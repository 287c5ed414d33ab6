/** ZooKeeper as a target of the coordination suite: a root for each case, and for each client a line of its own to every node, which can be cut. */
import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { CoordinationStore } from "../../../src/contract/index.ts";
import { zookeeperCoordinationStore } from "../../../src/drivers/zookeeper/index.ts";
import { systemClock } from "../../../src/runtime/index.ts";
import { keyOf } from "../../../src/testing/conformance/coordination/stage.ts";
import type { ServerAddress } from "../../../scripts/servers/server.ts";
import type { CoordinationTarget } from "../../../src/testing/conformance/coordination/index.ts";
import { startTcpProxy, type TcpProxy } from "../../faults/tcp-proxy.ts";

const TIMES = { callTimeout: "3s", connectTimeout: "10s" } as const;
/** In which the request has come to the server. Its answer is lost, and then the connection. */
const LOST_AFTER_MS = 300;

export function zookeeperCoordinationTarget(server: ServerAddress): CoordinationTarget {
  const lines = new Map<CoordinationStore, readonly TcpProxy[]>();
  const mending: Promise<void>[] = [];
  let root = "";
  const make = async (): Promise<CoordinationStore> => {
    const proxies = await Promise.all(nodesOf(server).map(startTcpProxy));
    const servers = proxies.map(({ host, port }) => `${host}:${port}`);
    const store = zookeeperCoordinationStore({ ...TIMES, servers, root });
    lines.set(store, proxies);
    return store;
  };
  const linesOf = (store: CoordinationStore): readonly TcpProxy[] => lines.get(store) ?? [];
  return {
    open: async () => {
      root = `/test-${randomUUID()}`;
      await makeArea(server, root);
      return make();
    },
    reopen: make,
    partition: (store) => {
      for (const proxy of linesOf(store)) proxy.halfOpen();
      return () => mend(linesOf(store));
    },
    crash: async (store) => {
      await Promise.all(linesOf(store).map((proxy) => proxy.close()));
    },
    loseAnswer: (store) => {
      for (const proxy of linesOf(store)) proxy.dropResponses();
      mending.push(delay(LOST_AFTER_MS).then(() => mend(linesOf(store))));
    },
    cleanup: async () => {
      await Promise.all(mending.splice(0));
      await Promise.all([...lines.keys()].map((store) => store.close()));
      await Promise.all([...lines.values()].flat().map((proxy) => proxy.close()));
      lines.clear();
    },
  };
}

/** A transaction whose answer is lost has to be one request: the first one in an area takes several. */
async function makeArea(server: ServerAddress, root: string): Promise<void> {
  const servers = nodesOf(server).map(({ host, port }) => `${host}:${port}`);
  const store = zookeeperCoordinationStore({ ...TIMES, servers, root });
  await store.open({ clock: systemClock });
  await store.transact([], [{ put: keyOf("first"), value: new Uint8Array() }]);
  await store.transact([], [{ delete: keyOf("first") }]);
  await store.close();
}

/** A stream with a gap cannot go on. */
async function mend(proxies: readonly TcpProxy[]): Promise<void> {
  for (const proxy of proxies) proxy.cut("reset");
  await Promise.all(proxies.map((proxy) => proxy.pass()));
}

function nodesOf({ host, port, endpoints }: ServerAddress): readonly Readonly<{ host: string; port: number }>[] {
  const named = Object.values(endpoints).map((text) => {
    const [at = host, number] = text.split(":");
    return { host: at, port: Number(number) };
  });
  return named.length > 0 ? named : [{ host, port }];
}

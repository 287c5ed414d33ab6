/** ZooKeeper as a target of the coordination suite: a root for each case, and for each client a line of its own to every node, which can be cut. */
import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { CoordinationStore } from "../../../src/contract/index.ts";
import { zookeeperCoordinationStore } from "../../../src/drivers/zookeeper/index.ts";
import { systemClock } from "../../../src/runtime/index.ts";
import { AREA, keyOf } from "../../../src/testing/conformance/coordination/stage.ts";
import type { ServerAddress } from "../../../scripts/servers/server.ts";
import type { CoordinationTarget } from "../../../src/testing/conformance/coordination/index.ts";
import { startTcpProxy, type TcpProxy } from "../../faults/tcp-proxy.ts";

const TIMES = { callTimeout: "3s", connectTimeout: "10s" } as const;
/** For a write to come to the server, and how often that is looked for. */
const LONGEST_MS = 5_000;
const LOOK_MS = 10;

export function zookeeperCoordinationTarget(server: ServerAddress): CoordinationTarget {
  const lines = new Map<CoordinationStore, readonly TcpProxy[]>();
  const mending: Promise<void>[] = [];
  /** On no line that is cut. */
  const lookers: CoordinationStore[] = [];
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
      lookers.push(await makeArea(server, root));
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
    // The answer is lost, and when the write has taken effect its connection goes.
    loseAnswer: (store) => {
      for (const proxy of linesOf(store)) proxy.dropResponses();
      mending.push(firstWrite(lookers.at(-1)).then(() => mend(linesOf(store))));
    },
    cleanup: async () => {
      await Promise.all(mending.splice(0));
      await Promise.all([...lines.keys(), ...lookers.splice(0)].map((store) => store.close()));
      await Promise.all([...lines.values()].flat().map((proxy) => proxy.close()));
      lines.clear();
    },
  };
}

/** A transaction whose answer is lost has to be one request: the first one in an area takes several. What made it stays open. */
async function makeArea(server: ServerAddress, root: string): Promise<CoordinationStore> {
  const servers = nodesOf(server).map(({ host, port }) => `${host}:${port}`);
  const store = zookeeperCoordinationStore({ ...TIMES, servers, root });
  await store.open({ clock: systemClock });
  await store.transact([], [{ put: keyOf("first"), value: new Uint8Array() }]);
  await store.transact([], [{ delete: keyOf("first") }]);
  return store;
}

/** Until there is a key of the suite: the cases of lost answers begin with none. Not a time: after a stall it is over before the request was sent on. */
async function firstWrite(looker: CoordinationStore | undefined): Promise<void> {
  const end = performance.now() + LONGEST_MS;
  while (performance.now() < end) {
    const found = await looker?.list(`${AREA}/`).catch(() => undefined);
    if (found !== undefined && found.entries.length > 0) return;
    await delay(LOOK_MS);
  }
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

/** Consul as a target of the coordination suite: a prefix for each case, and for each client lines of its own to every server, which can be cut. */
import { randomUUID } from "node:crypto";
import type { ServerAddress } from "../../../scripts/servers/server.ts";
import type { CoordinationStore } from "../../../src/contract/index.ts";
import { consulCoordinationStore } from "../../../src/drivers/consul/index.ts";
import type { CoordinationTarget } from "../../../src/testing/conformance/coordination/index.ts";
import { LosingProxy } from "../../consul/losing-proxy.ts";
import { startTcpProxy, type TcpProxy } from "../../faults/tcp-proxy.ts";

type Lines = Readonly<{ proxies: readonly TcpProxy[]; losing: LosingProxy | undefined }>;

export function consulCoordinationTarget(server: ServerAddress): CoordinationTarget {
  const clients = new Map<CoordinationStore, Lines>();
  let prefix = "";
  const make = async (): Promise<CoordinationStore> => {
    const proxies = await Promise.all(nodesOf(server).map(startTcpProxy));
    const [first] = proxies;
    // Answers are lost behind one server only: with several the client would ask the next.
    const losing = first !== undefined && proxies.length === 1 ? await LosingProxy.start(first) : undefined;
    const places = losing === undefined ? proxies : [losing];
    const address = places.map(({ port }) => `127.0.0.1:${port}`);
    const store = consulCoordinationStore({ address, prefix, callTimeout: "3s", connectTimeout: "20s" });
    clients.set(store, { proxies, losing });
    return store;
  };
  return {
    open: () => {
      prefix = `test/${randomUUID()}`;
      return make();
    },
    reopen: make,
    partition: (store) => {
      const { proxies = [] } = clients.get(store) ?? {};
      for (const proxy of proxies) proxy.halfOpen();
      return async () => {
        // A stream with a gap cannot go on.
        for (const proxy of proxies) proxy.cut("reset");
        await Promise.all(proxies.map((proxy) => proxy.pass()));
      };
    },
    crash: async (store) => {
      const { proxies = [] } = clients.get(store) ?? {};
      await Promise.all(proxies.map((proxy) => proxy.close()));
    },
    ...(nodesOf(server).length > 1
      ? {}
      : { loseAnswer: (store: CoordinationStore) => clients.get(store)?.losing?.loseNext("/v1/txn") }),
    cleanup: async () => {
      await Promise.all([...clients.keys()].map((store) => store.close()));
      for (const { proxies, losing } of clients.values())
        await Promise.all([losing?.close(), ...proxies.map((proxy) => proxy.close())]);
      clients.clear();
    },
  };
}

function nodesOf({ host, port, endpoints }: ServerAddress): readonly Readonly<{ host: string; port: number }>[] {
  const named = Object.values(endpoints).map((text) => {
    const [at = host, number] = text.split(":");
    return { host: at, port: Number(number) };
  });
  return named.length > 0 ? named : [{ host, port }];
}
